"""Quantization of a float32 ONNX model to 8-bit integers, from input to output."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.errors import StepError
from edgecv.core.text import first_line
from edgecv.formats.onnx.canonical import INPUT, canonical
from edgecv.formats.onnx.gemm import fold_gemm_factors, move_reshapes_back
from edgecv.formats.onnx.graph import (
    INT8_SHIFT,
    attribute_of,
    constant,
    quiet_logs,
    read_model,
)
from edgecv.formats.onnx.graph_types import Graph, ModelProto
from edgecv.formats.onnx.kernel_scales import KernelScales, has_rounded_kernel
from edgecv.formats.onnx.mixed import FloatLayers
from edgecv.formats.onnx.pixel_blocks import take_blocks
from edgecv.formats.onnx.prepare import fold_rescaling
from edgecv.formats.onnx.quantized_ends import QuantizedEnds
from edgecv.formats.onnx.session import write_optimized
from edgecv.formats.onnx.trained_ranges import take_trained_ranges
from edgecv.formats.onnx.weight_range import WeightRange, in_range

CHANGES_KERNELS = ("ConvAddFusion", "ConvMulFusion", "ConvBNFusion")
"""Optimizations that fold what follows a convolution into its weights: arithmetic behind a kernel
stays behind the range that was trained for the kernel's output."""
ACTIVATIONS = ("uint8", "int8")
PROBABILITY_STEP = np.float32(1 / 256)
BETWEEN_0_AND_1 = ("Softmax", "Sigmoid")


class CalibrationPixels:
    """The quantizer's source of images, one by one: float32 (1, H, W, C), pixels minus zero."""

    def __init__(self, images: Images, zero: int) -> None:
        singles = (images[place : place + 1] for place in range(len(images)))
        self._inputs = ({INPUT: each.astype(np.float32) - np.float32(zero)} for each in singles)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next input, None after the last."""
        return next(self._inputs, None)


class Quantizer:
    """Quantizes one model, with activations of either 8-bit type.

    ``model``: a float32 ModelProto. ``images``: uint8 (N, H, W, C), to find ranges with.
    ``kernels``: the scales that some kernels must have. ``io``: the input type, "uint8" for bytes,
    "int8" for the byte minus 128, or "float32". ``in_blocks``: whether the first convolution may
    take blocks of pixels. ``floats``: the layers that stay float32.
    """

    def __init__(
        self,
        model: ModelProto,
        images: Images,
        where: str,
        kernels: KernelScales,
        io: str = "uint8",
        *,
        in_blocks: bool = True,
        floats: FloatLayers | None = None,
    ) -> None:
        from onnx_ir.passes.common import RemoveUnusedNodesPass

        self.where = where
        self._io = io
        self._in_blocks = in_blocks
        self._floats = floats
        self.kernels = kernels
        self._model = read_model(model)
        self._outputs = [str(each.name) for each in self._model.graph.outputs]
        if any(node.op_type == "QuantizeLinear" for node in self._model.graph):
            move_reshapes_back(self._model.graph)
        self._trained = take_trained_ranges(self._model.graph)
        self._zero = fold_rescaling(self._model.graph, self._trained.ranges)
        fold_gemm_factors(self._model.graph)
        RemoveUnusedNodesPass()(self._model)
        self.images = images
        self.has_codes = kernels.are_trained or has_rounded_kernel(self._model.graph)

    def quantize(self, activations: str, weights: WeightRange = "full") -> ModelProto:
        """Return the ModelProto with activations of one type, "uint8" or "int8".

        ``weights``: "reduced" for codes of at most 64 in size. Raises StepError if ONNX Runtime
        cannot quantize the model.
        """
        import onnx_ir
        from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
        from onnxruntime.quantization.shape_inference import quant_pre_process

        kind = {"uint8": QuantType.QUInt8, "int8": QuantType.QInt8}[activations]
        try:
            with quiet_logs(), tempfile.TemporaryDirectory(prefix="edgecv-onnx-") as folder:
                source, prepared, quantized = (
                    Path(folder) / name for name in ("source.onnx", "prepared.onnx", "done.onnx")
                )
                onnx_ir.save(self._model, source)  # A model in memory would be emptied.
                is_trained = bool(self._trained.ranges)
                if is_trained:
                    write_optimized(source.read_bytes(), source, "basic", CHANGES_KERNELS)
                # Symbolic shapes are for transformers: without them the bytes are the same.
                quant_pre_process(
                    source, prepared, skip_symbolic_shape=True, skip_optimization=is_trained
                )
                quantize_static(
                    prepared,
                    quantized,
                    CalibrationPixels(self.images, self._zero),
                    quant_format=QuantFormat.QDQ,
                    per_channel=True,
                    reduce_range=weights == "reduced",
                    activation_type=kind,
                    weight_type=QuantType.QInt8,
                    nodes_to_exclude=self._excluded(prepared.read_bytes()),
                    extra_options={
                        "TensorQuantOverrides": self._overrides(
                            prepared, activations, kind, weights
                        ),
                        # Without it, a transposed input is quantized behind the transposition.
                        "ForceQuantizeNoInputCheck": True,
                    },
                )
                model = read_model(quantized.read_bytes())
        except StepError:
            raise
        except Exception as error:  # its errors have no other common base class
            raise StepError(
                self.where, f"ONNX Runtime cannot quantize this model: {first_line(error)}"
            ) from error
        ends = QuantizedEnds(
            self.where,
            self._io,
            self._zero,
            self._outputs,
            keeps_floats=self._floats is not None,
        )
        if self._io == "float32":
            ends.take_floats(model.graph)
            if self._in_blocks:
                take_blocks(model.graph)
            return canonical(model, self.where, outputs=self._outputs)
        ends.take_bytes(model.graph, activations)
        if self._in_blocks:
            take_blocks(model.graph)
        metadata = ends.give_integers(model.graph)
        return canonical(model, self.where, metadata, self._outputs)

    def _excluded(self, content: bytes) -> list[str]:
        """Return the names of the nodes that are left as they are."""
        import onnx

        graph = read_model(content).graph
        kept = self._trained.kept_in(graph)
        if self._floats is not None:
            kept += self._floats.nodes(onnx.ModelProto.FromString(content), graph)
        return kept

    def _overrides(
        self, prepared: Path, activations: str, kind: Any, weights: WeightRange
    ) -> dict[str, Any]:
        """Return fixed ranges: of the input, whose codes are bytes, and those found in training."""
        shift = INT8_SHIFT if activations == "int8" else 0
        graph = read_model(prepared.read_bytes()).graph
        present = {value.name for node in graph for value in node.outputs}
        trained = self._trained.ranges.items()
        ranges = {name: each for name, each in trained if name in present}
        ranges[INPUT] = np.float32(1), self._zero
        for answer in graph.outputs:
            maker = answer.producer()
            if maker is not None and maker.op_type in BETWEEN_0_AND_1:
                # As in a TFLite file, codes of these do not depend on the calibration images.
                ranges[str(answer.name)] = PROBABILITY_STEP, 0
        kernels = _one_scale_grouped(graph) | self.kernels.overrides(graph, self.where)
        return {name: in_range(options, weights) for name, options in kernels.items()} | {
            name: [
                {
                    "scale": np.array(scale, np.float32),
                    "zero_point": np.array(zero_point - shift, activations),
                    "quant_type": kind,
                }
            ]
            for name, (scale, zero_point) in ranges.items()
        }


def _one_scale_grouped(graph: Graph) -> dict[str, Any]:
    """Return one scale for each kernel of a grouped ConvTranspose.

    Its axis of outputs holds those of one group: scales along it do not fit the bias, which has one
    number for each output of all groups.
    """
    from onnxruntime.quantization import QuantType

    return {
        node.inputs[1].name: [{"quant_type": QuantType.QInt8}]
        for node in graph
        if node.op_type == "ConvTranspose"
        and attribute_of(node, "group", 1) > 1
        and constant(node.inputs[1]) is not None
    }
