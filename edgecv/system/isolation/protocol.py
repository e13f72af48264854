"""Frames between parent and child: a JSON header, then arrays as their bytes.

No pickle: a child that a hostile file has taken over can lie, but not run code in the parent.
Both lengths are bounded before anything is allocated. The module is sent to other machines too:
it runs under Python 3.8, with numpy alone.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import time
from typing import TYPE_CHECKING, Any, Callable, Mapping, NamedTuple, Sequence, Union

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"edgecv01"
PREFIX = struct.Struct(">8sI")
LARGEST_HEADER_BYTES = 2**20
LARGEST_ARRAYS_BYTES = 2**30
MOST_ARRAYS = 2**14
TYPES = ("float32", "int64", "uint8")

Read = Callable[[int], Union[bytes, bytearray]]
"""Returns exactly the requested number of bytes."""


class MalformedFrame(Exception):
    """Invalid bytes instead of a frame, or a frame that is no valid answer."""


class Frame(NamedTuple):
    """A message. Each array has one of ``TYPES`` and up to four dimensions."""

    header: dict[str, Any]
    arrays: list[NDArray[Any]]


def pack(header: Mapping[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> bytes:
    """Return a frame's bytes.

    >>> frame = pack({"kind": "answer"}, [np.zeros((2, 3), np.float32)])
    >>> from io import BytesIO
    >>> unpack(BytesIO(frame).read).arrays[0].shape
    (2, 3)
    """
    described = [{"type": array.dtype.name, "shape": list(array.shape)} for array in arrays]
    text = json.dumps({**header, "arrays": described}, allow_nan=False).encode()
    return b"".join([PREFIX.pack(MAGIC, len(text)), text, *(array.tobytes() for array in arrays)])


def unpack(read: Read, most_bytes: int = LARGEST_ARRAYS_BYTES) -> Frame:
    """Read one frame, with arrays of ``most_bytes`` at most.

    Raises MalformedFrame, and whatever ``read`` raises.
    """
    magic, length = PREFIX.unpack(read(PREFIX.size))
    if magic != MAGIC or length > LARGEST_HEADER_BYTES:
        raise MalformedFrame(f"starts with {magic!r} and a header of {length} bytes")
    try:
        header = json.loads(read(length).decode())
    except (ValueError, RecursionError) as error:
        raise MalformedFrame(f"its header is not JSON: {type(error).__name__}") from None
    if not isinstance(header, dict):
        raise MalformedFrame("its header is not a table")
    room = most_bytes
    arrays = []
    for kind, shape in _descriptions(header.pop("arrays", None)):
        count = math.prod(shape) * kind.itemsize
        if count > room:
            raise MalformedFrame(f"announces more than {most_bytes} bytes")
        room -= count
        arrays.append(np.frombuffer(read(count), kind).reshape(shape))
    return Frame(header, arrays)


def _descriptions(described: Any) -> list[tuple[np.dtype[Any], tuple[int, ...]]]:
    if not isinstance(described, list) or len(described) > MOST_ARRAYS:
        raise MalformedFrame("does not say its arrays")
    found = []
    for each in described:
        kind, shape = (each.get("type"), each.get("shape")) if isinstance(each, dict) else (0, 0)
        if kind not in TYPES or not isinstance(shape, list) or len(shape) > 4:
            raise MalformedFrame(f"announces an array of {kind!r}")
        # type() and not isinstance(): True is an int too.
        if not all(type(length) is int and 0 <= length <= LARGEST_ARRAYS_BYTES for length in shape):
            raise MalformedFrame("announces an array of an impossible shape")
        found.append((np.dtype(kind), tuple(shape)))
    return found


def read_exactly(
    descriptor: int, count: int, deadline: Callable[[], float] | None = None
) -> bytearray:
    """Read ``count`` bytes from a pipe, until ``deadline`` of ``time.monotonic``, asked anew.

    Raises EOFError where the other end is closed, TimeoutError after the deadline.
    """
    buffer = bytearray(count)
    missing = memoryview(buffer)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while missing:
        if deadline is not None:
            left_s = deadline() - time.monotonic()
            if left_s <= 0:
                raise TimeoutError
            if not poll.poll(left_s * 1000):
                continue
        got = os.readv(descriptor, [missing])
        if not got:
            raise EOFError
        missing = missing[got:]
    return buffer


def in_seconds(seconds: float) -> Callable[[], float]:
    """Return a deadline for ``read_exactly`` that stays."""
    end = time.monotonic() + seconds
    return lambda: end


def write_all(descriptor: int, data: bytes) -> None:
    """Write all bytes to a pipe. Raises BrokenPipeError where the other end is closed."""
    left = memoryview(data)
    while left:
        left = left[os.write(descriptor, left) :]
