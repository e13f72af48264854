"""What a file stores, through the pipe: numbers as arrays, and the rest as JSON."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Extremes, Kernel, Link, Point, Steps, Stored
from edgecv.system.isolation.decoding import plain
from edgecv.system.isolation.protocol import Frame, MalformedFrame

LARGEST_CODE = 2**31


def pack_stored(stored: Stored) -> tuple[dict[str, Any], list[NDArray[np.float32]]]:
    """Return a header and arrays: all weights, steps, biases and their steps, one after another."""
    kernels = [
        {
            "name": each.name,
            "type": each.type,
            "shape": list(each.values.shape),
            "zero_points": each.zero_points,
            "is_depthwise": each.is_depthwise,
        }
        for each in stored.kernels
    ]
    header = {
        "kernels": kernels,
        "points": [asdict(each) for each in stored.points],
        "links": [asdict(each) for each in stored.links],
        "operators": list(stored.operators),
    }
    arrays = [
        _joined([each.values for each in stored.kernels]),
        _joined([each.steps for each in stored.kernels]),
        _joined([each.bias for each in stored.kernels]),
        _joined([each.bias_steps for each in stored.kernels]),
    ]
    return header, arrays if stored.pixels is None else [*arrays, stored.pixels]


def _joined(arrays: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *(each.ravel() for each in arrays)])


def read_stored(frame: Frame) -> Stored:
    """Return what a child has read in a file. Raises GarbledFrame where it cannot be that."""
    header, arrays = frame
    if len(arrays) not in (4, 5) or any(each.dtype != np.float32 for each in arrays):
        raise MalformedFrame("no weights")
    try:
        kernels = _kernels(header["kernels"], arrays[:4])
        points = tuple(_point(each) for each in header["points"])
        links = tuple(_link(each) for each in header["links"])
        operators = tuple((plain(kind), int(count)) for kind, count in header["operators"])
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise MalformedFrame(f"of what is stored: {type(error).__name__}") from None
    pixels = arrays[4] if len(arrays) == 5 else None
    if pixels is not None and (pixels.ndim != 2 or pixels.shape[1] != len(pixels) + 1):
        raise MalformedFrame("of what pixels become")
    return Stored(kernels, points, links, pixels, operators)


def _kernels(described: list[dict[str, Any]], arrays: Sequence[NDArray[Any]]) -> tuple[Kernel, ...]:
    places = [0, 0]
    found = []
    for each in described:
        outputs, inputs, spread = each["shape"]
        count = outputs * inputs * spread
        if min(outputs, inputs, spread) < 1 or places[0] + count > arrays[0].size:
            raise ValueError
        rows = slice(places[1], places[1] + outputs)
        steps, bias, bias_steps = (array[rows] for array in arrays[1:])
        if not len(steps) == len(bias) == len(bias_steps) == outputs:
            raise ValueError
        values = arrays[0][places[0] : places[0] + count].reshape(outputs, inputs, spread)
        places = [places[0] + count, places[1] + outputs]
        found.append(
            Kernel(
                plain(each["name"]),
                plain(each["type"]),
                values,
                steps,
                bias,
                bias_steps,
                int(each["zero_points"]),
                bool(each["is_depthwise"]),
            )
        )
    return tuple(found)


def _point(each: dict[str, Any]) -> Point:
    steps = each["steps"]
    return Point(
        plain(each["name"]),
        plain(each["type"]),
        bool(each["starts_at_zero"]),
        None if steps is None else _steps(steps),
    )


def _link(each: dict[str, Any]) -> Link:
    return Link(
        plain(each["name"]),
        plain(each["type"]),
        bool(each["is_one_tensor"]),
        _steps(each["given"]),
        _steps(each["taken"]),
    )


def _steps(each: dict[str, Any]) -> Steps:
    scale, codes = float(each["scale"]), [each[key] for key in ("zero_point", "low", "high")]
    if not np.isfinite(scale) or any(
        type(code) is not int or abs(code) > LARGEST_CODE for code in codes
    ):
        raise ValueError
    return Steps(scale, *codes)


def read_extremes(frame: Frame, most: int) -> Extremes:
    """Return how far points went. Raises GarbledFrame where it cannot be that."""
    arrays = frame.arrays
    if len(arrays) != 2 or any(each.dtype != np.float32 or each.ndim != 2 for each in arrays):
        raise MalformedFrame("no extremes")
    low, high = arrays
    if low.shape != high.shape or not 0 < len(low) <= most:
        raise MalformedFrame(f"extremes of {len(low)} of {most} images")
    return Extremes(low, high)
