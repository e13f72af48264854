"""Serialization of records with arrays for a pipe; a child's answer is validated on arrival.

The record itself is JSON that pydantic writes and reads back, with an index in place of each array.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Outputs
from edgecv.core.tables import fault_of
from edgecv.core.text import printable
from edgecv.core.type_adapters import type_adapter
from edgecv.system.isolation.protocol import Frame, MalformedFrame

LONGEST_TEXT = 300

T = TypeVar("T")


def encode(kind: Any, record: Any) -> tuple[Mapping[str, Any], Sequence[NDArray[Any]]]:
    """Return a record of a type, such as ``list[Activation]``, as a frame's header and arrays."""
    arrays: list[NDArray[Any]] = []
    text = type_adapter(kind).dump_json(record, context=arrays)
    return {}, [np.frombuffer(text, np.uint8), *arrays]


def decode(kind: Callable[..., T], frame: Frame) -> T:
    """Return the record that a frame holds. Raises MalformedFrame for any other kind."""
    from pydantic import ValidationError

    if not frame.arrays or frame.arrays[0].dtype != np.uint8:
        raise MalformedFrame("no record")
    text, arrays = frame.arrays[0].tobytes(), frame.arrays[1:]
    try:
        found: T = type_adapter(kind).validate_json(text, strict=True, context=arrays)
    except ValidationError as error:
        place, fault = fault_of(error)
        raise MalformedFrame(f"{place or 'the record'}: {fault}") from None
    return found


def decode_printable(kind: Callable[..., T], frame: Frame) -> T:
    """Return the record that a frame holds, with printable texts: they come from the file."""
    found: T = _printable(decode(kind, frame))
    return found


def encode_outputs(outputs: Outputs) -> tuple[Mapping[str, Any], Sequence[NDArray[Any]]]:
    """Return outputs as a frame's header and arrays: a frame's arrays have few axes."""
    shapes = [list(each.shape[1:]) for each in outputs.arrays.values()]
    header = {"names": list(outputs.arrays), "shapes": shapes}
    flat = zip(outputs.arrays.values(), shapes, strict=True)
    return header, [each.reshape(len(outputs), math.prod(shape)) for each, shape in flat]


def decode_outputs(frame: Frame, count: int) -> Outputs:
    """Return outputs for ``count`` images, with printable names. Raises MalformedFrame."""
    names, shapes = frame.header.get("names"), frame.header.get("shapes")
    if not isinstance(names, list) or not isinstance(shapes, list) or not names:
        raise MalformedFrame("no outputs")
    if not len(names) == len(shapes) == len(frame.arrays):
        raise MalformedFrame(f"outputs: {len(frame.arrays)}, names: {len(names)}")
    found = {}
    for name, shape, values in zip(names, shapes, frame.arrays, strict=True):
        if not isinstance(name, str) or not isinstance(shape, list):
            raise MalformedFrame("an output without a name or a shape")
        sides = [each for each in shape if type(each) is int and each > 0]
        is_whole = len(sides) == len(shape) and values.shape == (count, math.prod(sides))
        if values.dtype != np.float32 or not is_whole:
            raise MalformedFrame(f"an output of {values.dtype} {values.shape}")
        found[printable(name)[:LONGEST_TEXT]] = values.reshape(count, *sides)
    if len(found) != len(names):
        raise MalformedFrame("two outputs of the same name")
    return Outputs(found)


def decode_array(frame: Frame, type_name: str, *, is_shape: Callable[..., bool]) -> NDArray[Any]:
    """Return a frame's only array. Raises MalformedFrame where it is of another type or shape."""
    if len(frame.arrays) != 1:
        raise MalformedFrame(f"arrays: {len(frame.arrays)}, not 1")
    (array,) = frame.arrays
    if array.dtype != type_name or not is_shape(*array.shape):
        raise MalformedFrame(f"an array of {array.dtype} {array.shape}")
    return array


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)[:LONGEST_TEXT]
    if isinstance(value, list | tuple):
        return type(value)(map(_printable, value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = (each.name for each in dataclasses.fields(value))
        return dataclasses.replace(
            value, **{name: _printable(getattr(value, name)) for name in names}
        )
    return value
