"""A foreign ONNX file with its sizes, types and paths checked, shapes inferred, and constants."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import InputError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.formats.contents import OPEN, damaged_file
from edgecv.formats.dtypes import bytes_of, count
from edgecv.formats.image_axes import image_axes
from edgecv.formats.onnx.checked_tensors import Constant, TensorShape
from edgecv.formats.onnx.external_data import external_tensors, is_inside
from edgecv.formats.onnx.graph import constant, read_model
from edgecv.formats.onnx.graph_types import Value
from edgecv.formats.onnx.plain_pixels import read_in_pixels
from edgecv.formats.onnx.session import NUMPY_NAMES
from edgecv.formats.onnx.shape_values import inferred_shapes

SMALL = 1024
"""The most elements of a constant whose values may determine a shape; others are left out."""
LONGEST_NAME = 300


damaged = partial(damaged_file, "ONNX")


class CheckedGraph:
    """The main graph of one file, with one image in an open batch.

    ``graph``: onnx-ir's; ``model``: the ModelProto; ``values``: the graph's tensors by name.
    """

    def __init__(self, content: bytes, where: str, input_spec: InputSpec = DEFAULT_INPUT) -> None:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        self._where = where
        try:
            self.model = onnx.ModelProto.FromString(content)
        except DecodeError:
            raise damaged(where, "it is cut short, or no ONNX at all") from None
        graph = self.model.graph
        if not graph.node and not graph.output:
            raise damaged(where, "it has no graph")
        self.types = onnx.TensorProto.DataType
        self.notes: list[str] = []
        self._check_external_data(content)
        self.constants = {each.name: self._constant(each, each.name) for each in self._stored()}
        self._take_out_sparse_constants()
        if self._write_in_pixels():
            self.constants = {each.name: self._constant(each, each.name) for each in self._stored()}
            graph = self.model.graph
        self.inputs = {
            each.name: self._value(each) for each in graph.input if each.name not in self.constants
        }
        self.outputs = {each.name: self._value(each) for each in graph.output}
        self._set_size(input_spec)
        inferred = self._infer_shapes().graph
        infos = (*inferred.value_info, *inferred.input, *inferred.output)
        self.values = {each.name: self._value(each) for each in infos}
        self.graph = read_model(self.model).graph
        for name, value in self.graph.initializers.items():
            if name not in self.constants:
                self.constants[name] = self._lifted(value.const_value, name)

    def shape_of(self, value: Value) -> tuple[int, ...] | None:
        """Return the shape of a tensor, None if it is not known."""
        known = self.constants.get(value.name) or self.values.get(value.name)
        return None if known is None else known.shape

    def _write_in_pixels(self) -> bool:
        """Show a first convolution over blocks of pixels as the plain one that it computes."""
        found, had_blocks = read_in_pixels(self.model)
        if not had_blocks:
            return False
        import onnx_ir

        self.model = onnx_ir.to_proto(found)
        self.model.graph.ClearField("value_info")  # Of shapes in blocks.
        self.notes.append(
            "the first convolution takes blocks of pixels; it is shown as the plain one"
        )
        return True

    def _take_out_sparse_constants(self) -> None:
        """Note the Constant nodes that are sparse, which onnx-ir does not read."""
        for node in self.model.graph.node:
            for attribute in node.attribute:
                if node.op_type == "Constant" and attribute.HasField("sparse_tensor"):
                    sparse, name = attribute.sparse_tensor, node.output[0]
                    found = self._constant(sparse.values, name)
                    self.constants[name] = replace(found, shape=tuple(sparse.dims))
                    node.ClearField("attribute")
                    break

    def _lifted(self, tensor: Any, name: str) -> Constant:
        """Return a constant that was a node of the graph."""
        import onnx_ir

        if isinstance(tensor, onnx_ir.serde.TensorProtoTensor):
            return self._constant(tensor.raw, name)
        kind, shape = self._type(tensor.dtype), tuple(map(int, tensor.shape))
        return Constant(name, kind, shape, bytes_of(kind, count(shape) or 0) or 0)

    def _stored(self) -> Iterator[Any]:
        yield from self.model.graph.initializer
        for sparse in self.model.graph.sparse_initializer:
            yield sparse.values

    def _constant(self, tensor: Any, name: str) -> Constant:
        shape, kind = tuple(tensor.dims), self._type(tensor.data_type)
        if any(side < 0 for side in shape):
            raise damaged(self._where, f'"{name[:LONGEST_NAME]}" has the shape {list(shape)}')
        is_external = tensor.data_location == type(tensor).EXTERNAL
        elements = count(shape) or 0
        needed = bytes_of(kind, elements)
        stored = len(tensor.raw_data) if tensor.HasField("raw_data") else needed or 0
        if is_external:
            stored = needed or 0
        elif needed is not None and stored < needed:
            how = f'"{name[:LONGEST_NAME]}" holds {stored:,} bytes, its shape needs {needed:,}'
            raise damaged(self._where, how)
        largest = _largest(tensor.raw_data) if kind == "int8" and tensor.raw_data else None
        return Constant(name, kind, shape, stored, largest_code=largest)

    def _value(self, info: Any) -> TensorShape:
        if not info.type.HasField("tensor_type"):
            return TensorShape(info.type.WhichOneof("value") or "", None)
        tensor = info.type.tensor_type
        kind = self._type(tensor.elem_type)
        if not tensor.HasField("shape"):
            return TensorShape(kind, None)
        sides = tensor.shape.dim
        known = [side.HasField("dim_value") and side.dim_value >= 0 for side in sides]
        return TensorShape(
            kind,
            tuple(side.dim_value if k else OPEN for side, k in zip(sides, known, strict=True)),
            tuple(
                side.dim_param[:LONGEST_NAME] for side, k in zip(sides, known, strict=True) if not k
            ),
        )

    def _type(self, number: int) -> str:
        if number not in self.types.values():
            return f"type {number}"
        name = str(self.types.Name(number)).lower()
        return NUMPY_NAMES.get(name, name)

    def _infer_shapes(self) -> Any:
        """Return a copy with types and shapes of all tensors, and without large constants."""
        self._set_batch_of_one()
        for tensor in self._stored():
            if (count(tuple(tensor.dims)) or 0) > SMALL or tensor.external_data:
                tensor.ClearField("raw_data")
                tensor.ClearField("external_data")
                tensor.ClearField("data_location")
        inferred, errors = inferred_shapes(self.model)
        self.notes += [f"shapes could not be inferred: {each[:LONGEST_NAME]}" for each in errors]
        return inferred

    def _set_batch_of_one(self) -> None:
        batches: dict[str, int] = {}
        for each in self.model.graph.input:
            sides = each.type.tensor_type.shape.dim
            if len(sides) > 1 and not (sides[0].HasField("dim_value") and sides[0].dim_value >= 0):
                batches[sides[0].dim_param] = 1
                sides[0].dim_value = 1
        self._set_named(batches)

    def _set_size(self, input_spec: InputSpec) -> None:
        """Write the asked size of images into the only input, where that is open."""
        if input_spec.input_size is None or len(self.inputs) != 1:
            return
        ((name, value),) = self.inputs.items()
        answers = next(iter(self.outputs.values()), value).shape or ()
        tensor = TensorFacts(name, value.shape or (), value.type)
        axes = image_axes(Path(self._where), tensor, input_spec, answers)
        taken = next(each for each in self.model.graph.input if each.name == name)
        named: dict[str, int] = {}
        sides = taken.type.tensor_type.shape.dim
        for axis, side, length in zip(axes.order, sides, axes.shape(1), strict=True):
            if axis != "N":
                named[side.dim_param] = length
                side.dim_value = length
        self._set_named(named)

    def _set_named(self, lengths: Mapping[str, int]) -> None:
        """Write the lengths of open sides wherever the graph names them."""
        graph = self.model.graph
        for each in (*graph.input, *graph.value_info, *graph.output):
            for side in each.type.tensor_type.shape.dim:
                if side.dim_param and side.dim_param in lengths:
                    side.dim_value = lengths[side.dim_param]

    def _check_external_data(self, content: bytes) -> None:
        folder = Path(self._where).absolute().parent
        files: dict[str, None] = {}
        for tensor in external_tensors(content, self.model):
            named = {each.key: each.value for each in tensor.external_data}
            location = named.get("location", "")
            if not is_inside(location, folder):
                raise InputError(
                    self._where,
                    f'its weights "{tensor.name[:LONGEST_NAME]}" are in'
                    f' "{location[:LONGEST_NAME]}", which is outside of its folder',
                    accepted="files beside the model",
                    remedy="save it with onnx.save(..., save_as_external_data=False)",
                )
            files[location] = None
        for location in files:
            is_there = (folder / location).is_file()
            self.notes.append(
                f"weights are in another file, which was not opened: {location[:LONGEST_NAME]}"
                + ("" if is_there else ", and it is not there")
            )


def small_numbers(value: Value | None) -> list[float]:
    """Return the numbers of a small constant; none if it is large, computed or in another file."""
    if value is None or value.const_value is None or value.const_value.size > SMALL:
        return []
    values = constant(value)
    return [] if values is None else [float(each) for each in values.ravel()]


def _largest(content: bytes) -> int:
    """Return the largest size of int8 numbers, of which there is one at least."""
    return int(np.abs(np.frombuffer(content, np.int8).astype(np.int16)).max())
