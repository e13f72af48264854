"""The tables of an ONNX file: constants, shapes and types, with what it says checked."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

from edgecv.core.errors import InputError
from edgecv.formats.contents import OPEN
from edgecv.formats.dtypes import bytes_of, count

SMALL = 1024
"""Elements up to which a constant's values may decide a shape: larger ones are left out."""
NAMES = {"float": "float32", "double": "float64"}
LONGEST_NAME = 300


@dataclass(frozen=True)
class Value:
    """A tensor as the graph declares it, or as shape inference found it."""

    type: str
    shape: tuple[int, ...] | None
    """With -1 for open sides."""
    open_sides: tuple[str, ...] = ()


@dataclass(frozen=True)
class Constant:
    """A tensor whose values are known before the first image. ``name``: of what is stored."""

    name: str
    type: str
    shape: tuple[int, ...] | None
    stored_bytes: int
    tensor: Any = None
    """The TensorProto of a small one that lies in this file."""
    scales: int = 0
    """How many scales its DequantizeLinear has."""

    @property
    def elements(self) -> int:
        """How many values it has, 0 where that is not known."""
        return count(self.shape) or 0


def damaged(where: str, how: str) -> InputError:
    """Return what to raise for a file that contradicts itself."""
    return InputError(
        where, f"is a damaged ONNX file: {how}", remedy="convert or download it again"
    )


class Tables:
    """One file. ``values`` are of the graph's tensors by name, for one image."""

    def __init__(self, content: bytes, where: str) -> None:
        import onnx
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        self._where = where
        try:
            self.model = onnx.ModelProto.FromString(content)
        except DecodeError:
            raise damaged(where, "it is cut short, or no ONNX at all") from None
        self.graph = self.model.graph
        if not self.graph.node and not self.graph.output:
            raise damaged(where, "it has no graph")
        self.types = onnx.TensorProto.DataType
        self.notes: list[str] = []
        if b"location" in content:
            self._check_external_data()
        self.constants = {each.name: self._constant(each, each.name) for each in self._stored()}
        self.inputs = {
            each.name: self._value(each)
            for each in self.graph.input
            if each.name not in self.constants
        }
        self.outputs = {each.name: self._value(each) for each in self.graph.output}
        self.values = self._infer_shapes()

    def constant_of_node(self, node: Any) -> Constant:
        """Return what a Constant node holds."""
        name = node.output[0]
        for attribute in node.attribute:
            if attribute.HasField("t"):
                return self._constant(attribute.t, name)
            if attribute.HasField("sparse_tensor"):
                found = self._constant(attribute.sparse_tensor.values, name)
                return replace(found, shape=tuple(attribute.sparse_tensor.dims))
        return Constant(name, "", None, 0)

    def numbers(self, constant: Constant | None) -> list[float]:
        """Return the values of a small constant, none where they are not in this file."""
        from onnx import numpy_helper

        if constant is None or constant.tensor is None:
            return []
        return [float(each) for each in numpy_helper.to_array(constant.tensor).ravel()]

    def _stored(self) -> Iterator[Any]:
        yield from self.graph.initializer
        for sparse in self.graph.sparse_initializer:
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
        is_small = elements <= SMALL and not is_external
        return Constant(name, kind, shape, stored, tensor if is_small else None)

    def _value(self, info: Any) -> Value:
        if not info.type.HasField("tensor_type"):
            return Value(info.type.WhichOneof("value") or "", None)
        tensor = info.type.tensor_type
        kind = self._type(tensor.elem_type)
        if not tensor.HasField("shape"):
            return Value(kind, None)
        sides = tensor.shape.dim
        known = [side.HasField("dim_value") and side.dim_value >= 0 for side in sides]
        return Value(
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
        return NAMES.get(name, name)

    def _infer_shapes(self) -> dict[str, Value]:
        """Return types and shapes of all tensors, with one image in an open batch."""
        from onnx import shape_inference

        self._set_batch_of_one()
        for tensor in self._stored():
            if (count(tuple(tensor.dims)) or 0) > SMALL or tensor.external_data:
                tensor.ClearField("raw_data")
                tensor.ClearField("external_data")
                tensor.ClearField("data_location")
        graph = self.graph
        try:
            graph = shape_inference.infer_shapes(self.model, data_prop=True).graph
        except Exception as error:  # noqa: BLE001  of onnx's own kinds; what is declared remains
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            self.notes.append(f"shapes could not be inferred: {first[:LONGEST_NAME]}")
        infos = (*graph.value_info, *graph.input, *graph.output)
        return {each.name: self._value(each) for each in infos}

    def _set_batch_of_one(self) -> None:
        batches = set()
        for each in self.graph.input:
            sides = each.type.tensor_type.shape.dim
            if len(sides) > 1 and not (sides[0].HasField("dim_value") and sides[0].dim_value >= 0):
                batches.add(sides[0].dim_param)
                sides[0].dim_value = 1
        for each in (*self.graph.input, *self.graph.value_info, *self.graph.output):
            for side in each.type.tensor_type.shape.dim:
                if side.dim_param and side.dim_param in batches:
                    side.dim_value = 1

    def _check_external_data(self) -> None:
        folder = Path(self._where).absolute().parent
        files: dict[str, None] = {}
        for tensor in _tensors(self.model):
            if not tensor.external_data and tensor.data_location != type(tensor).EXTERNAL:
                continue
            named = {each.key: each.value for each in tensor.external_data}
            location = named.get("location", "")
            if not _is_inside(location, folder):
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


def _is_inside(location: str, folder: Path) -> bool:
    path = PurePosixPath(location.replace("\\", "/"))
    if not location or "\0" in location or path.is_absolute() or ".." in path.parts:
        return False
    with contextlib.suppress(OSError, RuntimeError):
        return (folder / path).resolve().is_relative_to(folder.resolve())
    return False


def _tensors(model: Any) -> Iterator[Any]:
    """Give every tensor that is anywhere in a model: in graphs within graphs, in functions."""
    waiting = [model]
    while waiting:
        message = waiting.pop()
        if message.DESCRIPTOR.name == "TensorProto":
            yield message
            continue
        for descriptor, value in message.ListFields():
            if descriptor.message_type is not None:
                waiting.extend(value if descriptor.is_repeated else [value])
