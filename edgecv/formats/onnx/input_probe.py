"""The values that reach the first layers of an ONNX file."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.input_evidence import NormalizationInput, Values
from edgecv.formats.onnx.conversions import stored_constant
from edgecv.formats.onnx.execution import with_outputs
from edgecv.formats.onnx.graph import KERNELS, attribute_of, constant, image_input, input_of
from edgecv.formats.onnx.graph_types import Graph, Node, Value
from edgecv.formats.onnx.plain_pixels import read_in_pixels

CONVOLUTIONS = ("Conv", "ConvTranspose")
NORMALIZATION = "BatchNormalization"
EPSILON = 1e-5
"""ONNX's own default."""
IMAGE_AXES = 4
PARAMETERS = 5


class OnnxProbe:
    """An ONNX file that is run up to one of its first layers.

    ``run``: the bytes of a model, the names of tensors, the file's input -> their values.
    """

    def __init__(
        self, content: bytes, run: Callable[[bytes, Sequence[str], Values], Sequence[Any]]
    ) -> None:
        model = read_in_pixels(content).model
        import onnx_ir

        self._content, self._run = onnx_ir.to_proto(model).SerializeToString(), run
        self._graph = model.graph

    def first_weights(self, values: Values) -> NDArray[np.float64] | None:
        """Return the input of the first operator with weights: (N, ...) -> (N, H, W, C)."""
        node = next((each for each in self._graph if _has_weights(each)), None)
        if node is None:
            return None
        taken = self._value(node.inputs[0], values)
        is_image = node.op_type in (*CONVOLUTIONS, NORMALIZATION) and taken.ndim == IMAGE_AXES
        return np.moveaxis(taken, 1, -1) if is_image else taken

    def first_normalization(self, values: Values) -> NormalizationInput | None:
        """Return the input of the first batch normalization, and its statistics."""
        node = next((each for each in self._graph if each.op_type == NORMALIZATION), None)
        if node is None or len(node.inputs) < PARAMETERS:
            return None
        mean, variance = constant(node.inputs[3]), constant(node.inputs[4])
        if mean is None or variance is None or not _is_reached(node.inputs[0], self._graph):
            return None
        taken = np.moveaxis(self._value(node.inputs[0], values), 1, -1)
        return NormalizationInput(
            taken.reshape(-1, taken.shape[-1]),
            mean.astype(np.float64),
            variance.astype(np.float64) + float(attribute_of(node, "epsilon", EPSILON)),
        )

    def _value(self, tensor: Value, values: Values) -> NDArray[np.float64]:
        name = str(tensor.name)
        (found,) = self._run(with_outputs(self._content, [name]), [name], values)
        return np.asarray(found).astype(np.float64)


def _has_weights(node: Node) -> bool:
    if node.op_type == NORMALIZATION:
        return True
    return node.op_type in KERNELS and stored_constant(input_of(node, 1)) is not None


def _is_reached(tensor: Value, graph: Graph) -> bool:
    """Return True if a tensor is computed from the image."""
    image, waiting = image_input(graph), [tensor]
    seen: set[Value] = set()
    while waiting:
        each = waiting.pop()
        if each is image:
            return True
        maker = each.producer() if each is not None and each not in seen else None
        seen.add(each)
        waiting += [] if maker is None else maker.inputs
    return False
