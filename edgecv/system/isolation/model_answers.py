"""Answers of the child with a runtime: read from its frames, and checked."""

import math
from collections.abc import Callable, Iterator
from typing import TypeVar

from edgecv.core.artifact import ModelStart
from edgecv.core.quantization import Steps, Stored
from edgecv.system.isolation.codec import decode_printable
from edgecv.system.isolation.protocol import Frame, MalformedFrame

LARGEST_CODE = 2**31

T = TypeVar("T")


def read_stored(frame: Frame) -> Stored:
    """Return the contents of a file. Raises MalformedFrame where its parts are inconsistent."""
    found = decode_printable(Stored, frame)
    for kernel in found.kernels:
        rows = {len(kernel.values), len(kernel.steps), len(kernel.bias), len(kernel.bias_steps)}
        if len(rows) != 1 or not kernel.values.size:
            raise MalformedFrame(f"the kernel {kernel.name} has parts of {sorted(rows)} rows")
    ends = [end for link in found.links for end in (link.given, link.taken)]
    for steps in (*ends, *(point.steps for point in found.points if point.steps is not None)):
        if not _is_possible(steps):
            raise MalformedFrame("steps that no tensor has")
    if found.pixels is not None and found.pixels.shape[1] != len(found.pixels) + 1:
        raise MalformedFrame(f"pixels become something of shape {found.pixels.shape}")
    rooms = found.pixels_room
    if rooms is not None and (found.pixels is None or rooms.shape != found.pixels.shape):
        raise MalformedFrame(f"errors of pixels of shape {rooms.shape}")
    if any(each >= len(found.kernels) for each in _numbers(found)):
        raise MalformedFrame("the number of no kernel")
    return found


def _numbers(stored: Stored) -> Iterator[int]:
    """Give the numbers of kernels that a file's records name; one below 0 counts as none."""
    named = [each.inputs for each in stored.kernels] + [each.sources for each in stored.points]
    for numbers in named:
        for number in numbers:
            yield number if number >= 0 else len(stored.kernels)


def _is_possible(steps: Steps) -> bool:
    codes = (steps.zero_point, steps.low, steps.high)
    return math.isfinite(steps.scale) and all(abs(code) <= LARGEST_CODE for code in codes)


def read_start(frame: Frame) -> ModelStart:
    """Return the times of a start. Raises MalformedFrame where they are none."""
    found = decode_printable(ModelStart, frame)
    times = (found.median_s, found.open_s, found.first_call_s)
    if not all(0 <= each < math.inf for each in times) or not found.median_s:
        raise MalformedFrame(f"a start of {times} seconds")
    if found.images_of_a_call < 1:
        raise MalformedFrame(f"a call of {found.images_of_a_call} images")
    return found


def reader(kind: Callable[..., T]) -> Callable[[Frame], T]:
    """Return the function that reads a record of a kind."""
    return lambda frame: decode_printable(kind, frame)
