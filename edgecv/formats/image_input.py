"""Conversion of an image into a file's input: axis order, preprocessing, type."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import InputSpec, Layout
from edgecv.core.preprocessing import Preprocessing, affine_of, fitting
from edgecv.core.records import Images, Shape, TensorFacts

OPEN = -1
"""The length of an axis that a file leaves open."""
CHANNELS = (1, 2, 3, 4)
CHANNELS_IN_FRONT = (1, 3)
"""Lengths of an axis before height and width that are taken for channels without ``--layout``."""
PIXELS = 256
NARROWEST_PIXELS = 64.0
"""The smallest range of an input that may take pixels of 0..255 without preprocessing."""
NEAR = 0.1
"""The tolerance of the ends of a range, as a fraction of the width of the expected one."""
RAW = Preprocessing()


def image_of(path: Path, tensor: TensorFacts, input_spec: InputSpec) -> tuple[Layout, Shape]:
    """Return the axis order of an input, and height, width and channels of its images.

    Raises RuntimeFailure if they are ambiguous, or contradict ``input_spec``.
    """
    layout = _layout(path, tensor, input_spec.layout)
    _, *sides = tensor.shape
    channels = sides.pop(0 if layout == "nchw" else 2)
    if OPEN in sides and input_spec.input_size is None:
        raise RuntimeFailure(
            str(path),
            f"{_described(tensor)}: its height and width are open",
            accepted="images of one size",
            remedy="give --input-size HEIGHTxWIDTH",
        )
    for number, side in enumerate(sides):
        asked = side if input_spec.input_size is None else input_spec.input_size[number]
        if side not in (OPEN, asked):
            raise RuntimeFailure(
                str(path),
                f"{_described(tensor)}, and --input-size says {input_spec.input_size}",
                remedy="leave --input-size out: it is for files that leave their size open",
            )
        sides[number] = asked
    return layout, (sides[0], sides[1], channels)


def _layout(path: Path, tensor: TensorFacts, asked: Layout | None) -> Layout:
    shape = tensor.shape
    possible: list[Layout] = []
    if len(shape) == 4 and all(length == OPEN or length > 0 for length in shape[1:]):
        in_front = CHANNELS if asked == "nchw" else CHANNELS_IN_FRONT
        possible += ["nhwc"] if shape[3] in CHANNELS else []
        possible += ["nchw"] if shape[1] in in_front else []
    if asked is not None and asked in possible:
        return asked
    if not possible or asked is not None:
        given = f", and --layout says {asked}" if asked is not None and possible else ""
        raise RuntimeFailure(
            str(path),
            f"{_described(tensor)}{given}",
            accepted="images of one size: [batch, height, width, 1 to 4 channels], or channels"
            " before height and width",
        )
    if len(possible) > 1:
        raise RuntimeFailure(
            str(path),
            f"{_described(tensor)}, which may be either order of axes",
            remedy="give --layout nchw or --layout nhwc",
        )
    return possible[0]


def _described(tensor: TensorFacts) -> str:
    return f'its input "{tensor.name}" has shape {list(tensor.shape)}'


def preprocessing_of(
    path: Path, tensor: TensorFacts, input_spec: InputSpec, channels: int
) -> tuple[Preprocessing, tuple[str, ...]]:
    """Return the preprocessing of pixels, and a note if it was inferred from the input's range.

    Scale and zero point of an integer input give its range, which distinguishes 0..1, -1..1 and
    0..255. Raises RuntimeFailure if the range is ambiguous and no preprocessing is given.
    """
    if input_spec.preprocess is not None:
        return input_spec.preprocess, ()
    if tensor.scale is None:
        return RAW, ()
    low, high = range_of(tensor)
    range_text = f"its {tensor.type} input stands for {low:.3g} to {high:.3g}"
    found = names_by_range(tensor, channels)
    if len(found) == 1:
        (name,) = found
        choice = fitting(channels)[name]
        return choice, () if choice == RAW else (f"{range_text}: pixels enter as {name}",)
    if not found and high - low >= NARROWEST_PIXELS:
        return RAW, (f"{range_text}: pixels of 0..255 enter as they are",)
    raise RuntimeFailure(
        str(path),
        f"{range_text}, which does not say what it expects of pixels",
        remedy=f"give --preprocess with one of {', '.join(found or fitting(channels))}",
    )


def names_by_range(tensor: TensorFacts, channels: int) -> list[str]:
    """Return the preprocessings after which pixels have the range of a quantized tensor."""
    # Symmetric by its type, whatever its values.
    is_even = tensor.type == "int16" and not tensor.zero_point
    return [
        name
        for name, choice in fitting(channels).items()
        if _is_near(range_of(tensor), _range_after(choice, channels), is_even=is_even)
    ]


def range_of(tensor: TensorFacts) -> tuple[float, float]:
    """Return the smallest and the largest number that a quantized tensor can represent."""
    limits, zero_point = np.iinfo(tensor.type), tensor.zero_point or 0
    scale = tensor.scale or 1.0
    return (int(limits.min) - zero_point) * scale, (int(limits.max) - zero_point) * scale


def _range_after(choice: Preprocessing, channels: int) -> tuple[float, float]:
    scale, offset, _ = affine_of(choice, channels, "--preprocess")
    return float(offset.min()), float((scale * (PIXELS - 1) + offset).max())


def _is_near(found: tuple[float, float], expected: tuple[float, float], *, is_even: bool) -> bool:
    if is_even:
        most = max(map(abs, expected))
        expected = -most, most
    room = NEAR * (expected[1] - expected[0])
    return all(abs(one - other) <= room for one, other in zip(found, expected, strict=True))


def pixel_encoder(
    tensor: TensorFacts, layout: Layout = "nhwc", asked: Preprocessing = RAW, channels: int = 3
) -> Callable[[Images], NDArray[Any]]:
    """Return the function that encodes uint8 images (N, H, W, C) in the input's type and layout.

    >>> encode = pixel_encoder(TensorFacts("image", (1, 1, 1, 1), "int8", 1.0, -128))
    >>> encode(np.array([0, 128, 255], np.uint8))
    array([-128,    0,  127], dtype=int8)
    """
    kind = np.dtype(tensor.type)
    if asked == RAW and layout == "nhwc":
        if kind.kind == "f":
            return lambda images: images.astype(kind, order="C")
        table = _table(tensor, 1.0, 0.0)
        if kind == np.uint8 and np.array_equal(table, np.arange(PIXELS)):
            return np.ascontiguousarray
        return table.take
    scales, offsets, order = affine_of(asked, channels, "--preprocess")
    tables = [_table(tensor, *each) for each in zip(scales, offsets, strict=True)]
    axis = 1 if layout == "nchw" else 3

    def encode(images: Images) -> NDArray[Any]:
        planes = [
            table.take(images[..., camera]) for table, camera in zip(tables, order, strict=True)
        ]
        return np.stack(planes, axis=axis)

    return encode


def _table(tensor: TensorFacts, scale: float, offset: float) -> NDArray[Any]:
    """Return the encoded value of each of the 256 pixel values, as a lookup table."""
    kind = np.dtype(tensor.type)
    values = np.arange(PIXELS) * scale + offset
    if kind.kind == "f":
        return values.astype(kind)
    limits = np.iinfo(kind)
    steps = np.round(values / (tensor.scale or 1.0)) + (tensor.zero_point or 0)
    table: NDArray[Any] = np.clip(steps, limits.min, limits.max).astype(kind)
    return table
