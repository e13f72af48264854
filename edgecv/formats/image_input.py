"""Conversion of an image into a file's input: axis order, preprocessing, type."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import TensorFacts
from edgecv.core.data import Images
from edgecv.core.errors import UnsuitableFile
from edgecv.core.input_spec import InputSpec
from edgecv.core.preprocessing import PIXEL_STEPS, Preprocessing, affine_of, fitting

PIXELS = 256
NARROWEST_PIXELS = 64.0
"""The smallest range of an input that may take pixels of 0..255 without preprocessing."""
NEAR = 0.1
"""The tolerance of the ends of a range, as a fraction of the width of the expected one."""
RAW = Preprocessing()


def preprocessing_of(
    path: Path, tensor: TensorFacts, input_spec: InputSpec, channels: int
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return the preprocessing of pixels, and a note if it was inferred from the input's range.

    Scale and zero point of an integer input give its range, which distinguishes 0..1, -1..1 and
    0..255. One of scale 1/128 or 1 takes the bytes themselves, whatever its zero point. Raises
    UnsuitableFile if the range is ambiguous and no preprocessing is given.
    """
    asked = input_spec.preprocess
    if asked not in (None, RAW) or tensor.scale is None:
        return asked or RAW, ()
    low, high = range_of(tensor)
    range_text = f"its {tensor.type} input stands for {low:.3g} to {high:.3g}"
    if takes_bytes(tensor):
        byte = "x" if tensor.type == "uint8" else "x - 128"
        declared = Preprocessing(scale=tensor.scale, offset=low)
        note = f"{range_text}: byte x of a pixel enters as {byte}"
        return declared, () if declared == RAW else (note,)
    if asked is not None:
        return asked, ()
    found = names_by_range(tensor, channels)
    if len(found) == 1:
        (name,) = found
        choice = fitting(channels)[name]
        return choice, () if choice == RAW else (f"{range_text}: pixels enter as {name}",)
    if not found and high - low >= NARROWEST_PIXELS:
        return RAW, (f"{range_text}: pixels of 0..255 enter as they are",)
    raise UnsuitableFile(
        str(path),
        f"{range_text}, which does not say what it expects of pixels",
        remedy=f"give --preprocess with one of {', '.join(found or fitting(channels))}",
    )


def takes_bytes(tensor: TensorFacts) -> bool:
    """Return True for an input whose scale and zero point declare what rescales pixels."""
    return tensor.type in ("uint8", "int8") and tensor.scale in PIXEL_STEPS


def names_by_range(tensor: TensorFacts, channels: int) -> list[str]:
    """Return the preprocessings after which pixels have the range of a quantized tensor."""
    # Symmetric by its type, whatever its values.
    is_even = tensor.type == "int16" and not tensor.zero_point
    return [
        name
        for name, choice in fitting(channels).items()
        if _is_near(range_of(tensor), range_of_pixels(choice, channels), is_even=is_even)
    ]


def range_of(tensor: TensorFacts) -> tuple[float, float]:
    """Return the smallest and the largest number that a quantized tensor can represent."""
    limits, zero_point = np.iinfo(tensor.type), tensor.zero_point or 0
    scale = tensor.scale or 1.0
    return (int(limits.min) - zero_point) * scale, (int(limits.max) - zero_point) * scale


def range_of_pixels(choice: Preprocessing, channels: int) -> tuple[float, float]:
    """Return the smallest and the largest number that preprocessing makes of pixels."""
    scale, offset, _ = affine_of(choice, channels, "--preprocess")
    return float(offset.min()), float((scale * (PIXELS - 1) + offset).max())


def _is_near(found: tuple[float, float], expected: tuple[float, float], *, is_even: bool) -> bool:
    if is_even:
        most = max(map(abs, expected))
        expected = -most, most
    room = NEAR * (expected[1] - expected[0])
    return all(abs(one - other) <= room for one, other in zip(found, expected, strict=True))


def pixel_encoder(
    tensor: TensorFacts, order: str = "NHWC", asked: Preprocessing = RAW, channels: int = 3
) -> Callable[[Images], NDArray[Any]]:
    """Return the function that encodes uint8 images (N, H, W, C) in the input's type and axes.

    ``order``: that of ``ImageAxes``. An input without a batch takes one image.

    >>> encode = pixel_encoder(TensorFacts("image", (1, 1, 1, 1), "int8", 1.0, -128))
    >>> encode(np.array([0, 128, 255], np.uint8))
    array([-128,    0,  127], dtype=int8)
    """
    kind = np.dtype(tensor.type)
    if asked == RAW and order == "NHWC":
        if kind.kind == "f":
            return lambda images: images.astype(kind, order="C")
        table = _table(tensor, 1.0, 0.0)
        if kind == np.uint8 and np.array_equal(table, np.arange(PIXELS)):
            return np.ascontiguousarray
        return table.take
    scales, offsets, turned = affine_of(asked, channels, "--preprocess")
    tables = [_table(tensor, *each) for each in zip(scales, offsets, strict=True)]
    plane_axes = order.replace("C", "")

    def encode(images: Images) -> NDArray[Any]:
        planes = [
            _turned(table.take(images[..., camera]), plane_axes)
            for table, camera in zip(tables, turned, strict=True)
        ]
        if "C" not in order:
            return np.ascontiguousarray(planes[0])
        return np.stack(planes, axis=order.index("C"))

    return encode


def _turned(plane: NDArray[Any], order: str) -> NDArray[Any]:
    """Return one channel of images, (N, H, W), with its axes in another order, or without N."""
    own = "NHW" if "N" in order else "HW"
    images: NDArray[Any] = plane if "N" in order else plane[0]
    return images.transpose([own.index(letter) for letter in order])


def _table(tensor: TensorFacts, scale: float, offset: float) -> NDArray[Any]:
    """Return the encoded value of each of the 256 pixel values, as a lookup table."""
    return encoded(tensor, np.arange(PIXELS) * scale + offset)


def encoded(tensor: TensorFacts, reals: NDArray[Any]) -> NDArray[Any]:
    """Return real numbers in the type of an input: its scale and zero point are applied.

    >>> encoded(TensorFacts("image", (1,), "int8", 0.5, -128), np.array([0.0, 1.0, 200.0]))
    array([-128, -126,  127], dtype=int8)
    """
    kind = np.dtype(tensor.type)
    if kind.kind in "fb":
        return reals.astype(kind)
    limits = np.iinfo(kind)
    steps = np.round(reals / (tensor.scale or 1.0)) + (tensor.zero_point or 0)
    return np.clip(steps, limits.min, limits.max).astype(kind)
