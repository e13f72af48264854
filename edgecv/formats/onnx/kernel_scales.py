"""Scales of an ONNX model's kernels: those that were trained, and one for a whole kernel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.formats.kernel_layout import layer_kernels, stored_order
from edgecv.formats.onnx.graph import KERNELS, attribute_of, constant
from edgecv.formats.onnx.graph_types import Graph, Node
from edgecv.models.quantizers import LARGEST_CODE, trained_kernels

SAME = 1 - 1e-6
"""The least cosine similarity of two kernels that are equal but for a factor."""
FEW, OFF_THE_STEP = 16, 1e-3
"""So many weights that lie so near to whole steps do not by chance."""


@dataclass(frozen=True)
class KernelScale:
    """One kernel in ONNX' order of axes, and its trained scales: None for one that is found."""

    name: str
    weights: NDArray[np.float64]
    scales: NDArray[np.float64] | None


class KernelScales:
    """The scales that kernels of a Keras model must have in a file; the others get their own.

    ``one_scale``: names of layers whose kernel is to have a single scale.
    """

    def __init__(self, model: KerasModel | None = None, one_scale: Sequence[str] = ()) -> None:
        self._kernels: list[KernelScale] = []
        if model is None:
            return
        trained = trained_kernels(model)
        for kernel in trained:
            weights, _ = stored_order(kernel.weights, kernel.kind, "onnx")
            self._kernels.append(KernelScale(kernel.name, weights, kernel.scales))
        done = {kernel.name for kernel in trained}
        for layer in layer_kernels(model, "onnx"):
            if layer.name in one_scale and layer.name not in done:
                self._kernels.append(KernelScale(layer.name, layer.weights, None))

    @property
    def are_trained(self) -> bool:
        """True if a kernel was trained to its scales."""
        return any(kernel.scales is not None for kernel in self._kernels)

    def overrides(self, graph: Graph, where: str) -> dict[str, Any]:
        """Return the quantizer's options for the kernels of a graph, by the names of their tensors.

        Kernels are found by their weights, which may have got a common factor: names do not last.
        Raises StepError if one is missing.
        """
        from onnxruntime.quantization import QuantType

        found: dict[str, Any] = {}
        matched: set[str] = set()
        for node, weights in _kernels_in(graph):
            match = self._match(weights)
            if match is None:
                continue
            kernel, factor = match
            matched.add(kernel.name)
            scales = kernel.scales
            name = node.inputs[1].name
            if scales is None:
                found[name] = [{"quant_type": QuantType.QInt8}]
                continue
            each = [
                {
                    "scale": np.array(scale, np.float32),
                    "zero_point": np.array(0, np.int8),
                    "quant_type": QuantType.QInt8,
                }
                for scale in scales * factor
            ]
            if len(each) > 1:
                each[0]["axis"] = 1 if _has_outputs_behind(node) else 0
            found[name] = each
        self._check_all(matched, where)
        return found

    def _check_all(self, matched: set[str], where: str) -> None:
        """Raise StepError if a kernel is not in the graph as it is in the model."""
        for kernel in self._kernels:
            if kernel.name not in matched and np.any(kernel.weights):
                raise StepError(
                    where,
                    f"{kernel.name} was to keep its scales, and the converter has changed its"
                    " weights, output by output",
                    remedy="choose the tflite format, or name other layers with --one-scale",
                )

    def _match(self, weights: NDArray[Any]) -> tuple[KernelScale, float] | None:
        """Return the kernel whose weights these are, and the factor that they have got."""
        best, result = SAME, None
        for kernel in self._kernels:
            if kernel.weights.size != weights.size:
                continue
            own = weights.astype(np.float64)
            if own.ndim == 2 and own.shape == kernel.weights.shape[::-1] != kernel.weights.shape:
                own = own.T
            own, true = own.ravel(), kernel.weights.ravel()
            norms = np.linalg.norm(own), np.linalg.norm(true)
            likeness = float(own @ true / (norms[0] * norms[1])) if all(norms) else 0.0
            if likeness > best:
                best, result = likeness, (kernel, _factor(float(norms[0] / norms[1])))
        return result


def has_rounded_kernel(graph: Graph) -> bool:
    """Return True if the weights of a kernel are codes of 8 bits, as a technique rounds them."""
    return any(_is_rounded(weights, node) for node, weights in _kernels_in(graph))


def _is_rounded(weights: NDArray[Any], node: Node) -> bool:
    axis = weights.ndim - 1 if node.op_type == "MatMul" else int(_has_outputs_behind(node))
    by_output = np.moveaxis(weights.astype(np.float64), axis, 0).reshape(weights.shape[axis], -1)
    steps = np.abs(by_output).max(axis=1, keepdims=True) / LARGEST_CODE
    codes = np.divide(by_output, steps, out=np.zeros_like(by_output), where=steps > 0)
    some = (np.abs(codes) > 0) & (np.abs(codes) < LARGEST_CODE)
    return bool(some.sum() >= FEW and np.abs(codes - np.round(codes)).max() < OFF_THE_STEP)


def _factor(ratio: float) -> float:
    """Return a factor, exactly 1 where nothing was folded into a kernel."""
    return 1.0 if abs(ratio - 1) < 1e-5 else float(ratio)


def _kernels_in(graph: Graph) -> Iterator[tuple[Node, NDArray[Any]]]:
    for node in graph:
        weights = constant(node.inputs[1]) if node.op_type in KERNELS else None
        if weights is not None and weights.ndim > 1:
            yield node, weights


def _has_outputs_behind(node: Node) -> bool:
    """Return True if the outputs are the second axis of an operator's kernel."""
    if node.op_type == "Gemm":
        return not attribute_of(node, "transB", 0)
    return node.op_type in ("ConvTranspose", "MatMul")
