"""The input and the outputs of a quantized ONNX graph: bytes in, integers out."""

from collections.abc import Sequence

import numpy as np

from edgecv.core.errors import StepError
from edgecv.formats.onnx.conversions import Quantization, quantization_of
from edgecv.formats.onnx.graph import (
    INT8_SHIFT,
    add_constant,
    add_node,
    only_consumer,
    replace_node,
)
from edgecv.formats.onnx.graph_types import Graph, Value


class QuantizedEnds:
    """Makes the ends of a graph of the type that was asked for.

    ``zero``: the byte that stands for 0; ``outputs``: names of the outputs; ``keeps_floats``: some
    layers stay float32, and so may the ends.
    """

    def __init__(
        self, where: str, io: str, zero: int, outputs: Sequence[str], *, keeps_floats: bool
    ) -> None:
        self._where = where
        self._io = io
        self._zero = zero
        self._outputs = outputs
        self._keeps_floats = keeps_floats

    def take_bytes(self, graph: Graph, activations: str) -> None:
        """Make the input an integer tensor, whose codes are the bytes of pixels."""
        import onnx_ir

        image = graph.inputs[0]
        quantize = only_consumer(image, "QuantizeLinear")
        if quantize is None and not self._keeps_floats:
            raise StepError(
                self._where,
                "int8 was asked for; the input came back float32",
                remedy="choose float32, or the tflite format",
            )
        if quantize is not None and activations == self._io:
            replace_node(graph, quantize, image)
        else:
            scale = add_constant(graph, "byte_scale", np.float32(1))
            zero = add_constant(graph, "byte_zero", np.array(self._zero - self._io_shift, self._io))
            before = graph[0] if quantize is None else quantize
            reals = add_node(graph, "DequantizeLinear", [image, scale, zero], before)
            if quantize is None:
                image.replace_all_uses_with(reals)
                reals.producer().replace_input_with(0, image)
            else:
                quantize.replace_input_with(0, reals)
        image.dtype = onnx_ir.DataType[self._io.upper()]

    @property
    def _io_shift(self) -> int:
        return INT8_SHIFT if self._io == "int8" else 0

    def take_floats(self, graph: Graph) -> None:
        """Subtract the zero pixel from the input of a graph that was calibrated without it."""
        if not self._zero:
            return
        image = graph.inputs[0]
        zero = add_constant(graph, "pixel_zero", np.float32(self._zero))
        shifted = add_node(graph, "Sub", [image, zero], graph[0])
        image.replace_all_uses_with(shifted)
        shifted.producer().replace_input_with(0, image)

    def give_integers(self, graph: Graph) -> dict[str, str]:
        """Make the quantized tensors the outputs; return scales and zero points as metadata.

        Those of several outputs have their names behind the key.
        """
        names = self._outputs if len(graph.outputs) > 1 else [""]
        found = {
            name: self._give_integer(graph, each)
            for name, each in zip(names, tuple(graph.outputs), strict=True)
            if not self._keeps_floats or _is_dequantized(each)
        }
        metadata = {
            "edgecv.input_scale": "1.0",
            "edgecv.input_zero_point": str(-self._io_shift),
        }
        for name, each in found.items():
            end = f".{name}" if name else ""
            metadata[f"edgecv.output_scale{end}"] = repr(float(each.scales.item()))
            metadata[f"edgecv.output_zero_point{end}"] = str(int(each.zero_points.item()))
        return metadata

    def _give_integer(self, graph: Graph, answer: Value) -> Quantization:
        dequantize = answer.producer()
        if dequantize is None or dequantize.op_type != "DequantizeLinear":
            raise StepError(
                self._where,
                f'int8 was asked for; the output "{answer.name}" came back float32 from'
                f" {'an input' if dequantize is None else dequantize.op_type}",
                remedy="choose float32, or the tflite format",
            )
        found, codes = quantization_of(dequantize), dequantize.inputs[0]
        assert found is not None
        codes.shape, codes.dtype = answer.shape, dequantize.inputs[2].dtype
        if answer.uses():  # Other layers take it too, as reals.
            graph.outputs[graph.outputs.index(answer)] = codes
        else:
            replace_node(graph, dequantize, codes)
        return found


def _is_dequantized(value: Value) -> bool:
    maker = value.producer()
    return maker is not None and maker.op_type == "DequantizeLinear"
