"""Arrays of numbers that are no pixels, as spectrograms and windows of sensors are.

Files take bytes: the numbers become 256 levels, as the input of an int8 file has them, and every
model gets the numbers of these levels.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.core.preprocessing import Preprocessing

LARGEST_BYTE = 255
FEWEST_FRACTIONS = 0.1
"""Part of numbers with a fraction from which on numbers of 0 to 255 are no pixels in floats."""
Numbers = NDArray[np.float64]


def are_numbers(values: NDArray[Any]) -> bool:
    """Return True for an array whose values can be no pixels: below 0, above 255, or fractions.

    Fractions of 0 to 1 may be pixels.

    >>> are_numbers(np.full((1, 2, 2), 0.25)), are_numbers(np.full((1, 2, 2), -0.25))
    (False, True)
    """
    if values.dtype.kind not in "iuf" or values.dtype == np.uint8 or values.ndim not in (3, 4):
        return False
    if not values.size:
        return False
    least, largest = float(np.nanmin(values)), float(np.nanmax(values))
    if least < 0 or largest > LARGEST_BYTE:
        return True
    return largest > 1 and bool(np.mean(values != np.floor(values)) > FEWEST_FRACTIONS)


def as_levels(
    arrays: Sequence[NDArray[Any]], names: Sequence[str], where: str
) -> tuple[list[Images], Preprocessing, str]:
    """Return arrays as bytes, the numbers that these stand for, and a note on what rounding cost.

    The range is that of the first array, the training images: numbers beyond it, of other images,
    become its ends. Each array: (N, H, W), or (N, H, W, C) with a range for each channel.
    """
    numbers = []
    for values, name in zip(arrays, names, strict=True):
        if values.dtype.kind not in "iuf" or not np.isfinite(values).all():
            raise InputError(where, f"{name} holds NaN, infinity or no numbers", accepted="numbers")
        floats = values.astype(np.float64)
        numbers.append(floats[..., None] if floats.ndim == 3 else floats)
    axes = tuple(range(numbers[0].ndim - 1))
    low, high = numbers[0].min(axis=axes), numbers[0].max(axis=axes)
    step = np.where(high > low, high - low, 1.0) / LARGEST_BYTE
    levels = [((each - low) / step).round().clip(0, LARGEST_BYTE) for each in numbers]
    beyond = sum(((each < low) | (each > high)).sum() for each in numbers)
    beyond /= sum(each.size for each in numbers)
    meant = Preprocessing(scale=_number(step), offset=_number(low))
    noise = float(np.sum((levels[-1] * step + low - numbers[-1]) ** 2))
    power = float(np.sum((numbers[-1] - numbers[-1].mean(axis=axes)) ** 2))
    ratio = "" if not noise else f", {10 * np.log10(power / noise):.1f} dB above the rounding"
    cut = "" if not beyond else f"; {beyond:.2%} of all numbers lie beyond and were cut"
    text = (
        f"{names[0]} holds {arrays[0].dtype} of {low.min():.4g} to {high.max():.4g}: every model"
        f" gets 256 levels of them, as the bytes of the files stand for{ratio}{cut}. A file's"
        f" input is round((x - {_text(low)}) / {_text(step)})"
    )
    return [each.astype(np.uint8) for each in levels], meant, text


def _number(values: Numbers) -> float | tuple[float, ...]:
    return float(values[0]) if len(values) == 1 else tuple(map(float, values))


def _text(values: Numbers) -> str:
    texts = [f"{value:.8g}" for value in values]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"
