"""Values that a device takes, and checks of the arrays that it gives, which are untrusted."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.comparison import Blocks
from edgecv.core.data import Outputs
from edgecv.core.errors import StepError
from edgecv.core.plugins import DeployedFile
from edgecv.formats.image_input import PIXELS, pixel_encoder
from edgecv.formats.tensors import finite_outputs

SLOWER = 30
"""Times as long as on this machine that a file may take on a device: then it has stopped."""


def seconds_an_image(file: DeployedFile, least: float) -> float:
    """Return how long an image may take on a device: ``least``, or more for a file slow here."""
    return max(least, SLOWER * file.seconds)


def pixel_values(file: DeployedFile) -> NDArray[Any]:
    """Return the value of the input for each pixel value in each of its channels: (256, C)."""
    facts, channels = file.facts, file.facts.image[2]
    ramp = np.arange(PIXELS, dtype=np.uint8).repeat(channels).reshape(1, PIXELS, 1, channels)
    encode = pixel_encoder(facts.input, "NHWC", file.preprocess, channels)
    return encode(ramp).reshape(PIXELS, channels)


def output_bytes(file: DeployedFile) -> list[int]:
    """Return the bytes of each output of one image."""
    pairs = zip(file.facts.outputs, file.facts.answers, strict=True)
    return [math.prod(shape) * np.dtype(tensor.type).itemsize for tensor, shape in pairs]


def outputs_of_bytes(file: DeployedFile, rows: NDArray[np.uint8], where: str) -> Outputs:
    """Return the outputs of images that a device gave as bytes: (N, bytes) -> float32 (N, ...).

    A row holds all outputs of an image, in the order of the file. Raises StepError for rows of
    another length, RuntimeFailure for values that are not finite.
    """
    sizes, start, stored = output_bytes(file), 0, {}
    if rows.ndim != 2 or rows.shape[1] != sum(sizes) or rows.dtype != np.uint8:
        found = "x".join(map(str, rows.shape[1:]))
        raise StepError(where, f"gives {found} bytes in place of {sum(sizes):,}")
    for tensor, shape, size in zip(file.facts.outputs, file.facts.answers, sizes, strict=True):
        values = np.ascontiguousarray(rows[:, start : start + size]).view(tensor.type)
        stored[tensor.name] = values.reshape(len(rows), *shape)
        start += size
    return real_outputs(file, stored, len(rows), where)


def real_outputs(
    file: DeployedFile, stored: Mapping[str, NDArray[Any]], count: int, where: str
) -> Outputs:
    """Return what a device gave for ``count`` images as reals: (N, ...) -> float32 (N, ...).

    ``stored``: by the name of the output, in the type of the file. Raises StepError for arrays of
    another shape or type, RuntimeFailure for values that are not finite.
    """
    for tensor, shape in zip(file.facts.outputs, file.facts.answers, strict=True):
        values = stored.get(tensor.name)
        if values is None:
            raise StepError(where, f'gives no output "{tensor.name}"')
        if values.shape != (count, *shape) or values.dtype != np.dtype(tensor.type):
            raise StepError(
                where,
                f'gives "{tensor.name}" as {values.dtype} {list(values.shape)}',
                accepted=f"{tensor.type} {[count, *shape]}",
            )
    values_in_order = [stored[each.name] for each in file.facts.outputs]
    return finite_outputs(file.path, file.facts, values_in_order)


def checked_times(blocks: NDArray[Any] | None, where: str) -> Blocks:
    """Return what a device gave as timed runs in nanoseconds: int64 (blocks, runs).

    Raises StepError for anything else, and for times of 0 or less.
    """
    if blocks is None or blocks.ndim != 2 or blocks.dtype != np.int64 or not blocks.size:
        raise StepError(where, "gives no times")
    if blocks.min() <= 0:
        raise StepError(where, "gives times of 0 or less")
    return blocks
