"""Preprocessing of pixels: the values that a network was trained on, made part of its graph.

Every artifact takes pixels of 0..255. For a network trained on other values the arithmetic is
added in front, or folded into the first convolution where that is exact.
"""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from edgecv.core.errors import InputError, unknown_name
from edgecv.core.options import Options
from edgecv.core.text import counted

PIXEL_STEPS = 1.0, 1 / 128
"""Scales of an 8-bit input that takes the bytes of pixels, whatever its zero point."""
OTHER_SCORES_BETTER = "scores better"
"""Part of the note on a preprocessing that was asked for, and is not the best."""
Number = float | Annotated[tuple[float, ...], Field(strict=False)]


class Preprocessing(Options):
    """Arithmetic on a pixel of 0..255: pixel * ``scale`` + ``offset``."""

    scale: Number = 1.0
    """Factor of a pixel: one number, or one for each channel."""
    offset: Number = 0.0
    """Number that is added after that: one number, or one for each channel."""
    channels: Literal["rgb", "bgr"] = "rgb"
    """The order of the channels that the network was trained with."""


NAMED = {
    "0..255": Preprocessing(),
    "0..1": Preprocessing(scale=1 / 255),
    "-1..1": Preprocessing(scale=1 / 127.5, offset=-1.0),
    "imagenet": Preprocessing(
        scale=(1 / (255 * 0.229), 1 / (255 * 0.224), 1 / (255 * 0.225)),
        offset=(-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225),
    ),
    "caffe": Preprocessing(offset=(-103.939, -116.779, -123.68), channels="bgr"),
}
"""The choices of ``--preprocess``. torchvision's and Keras' own "torch" and "caffe" modes."""


def named(name: str, where: str) -> Preprocessing:
    """Return a preprocessing by name. Raises InputError with the nearest name."""
    if name not in NAMED:
        raise unknown_name(where, f'unknown preprocessing "{name}"', name, NAMED)
    return NAMED[name]


def preprocessing_text(choice: Preprocessing) -> str:
    """Return the name of a preprocessing, or its arithmetic where it has none.

    >>> preprocessing_text(NAMED["-1..1"])
    '-1..1'
    >>> preprocessing_text(Preprocessing(scale=1 / 128, offset=-1.0))
    'pixel x 0.0078125 - 1'
    """
    for name, each in NAMED.items():
        if each == choice:
            return name
    scale, offset = np.atleast_1d(choice.scale), np.atleast_1d(choice.offset)
    text = f"pixel x {_listed(scale)}"
    if len(offset) > 1:
        text += f" + {_listed(offset)}"
    elif offset[0]:
        text += f" {'-' if offset[0] < 0 else '+'} {abs(offset[0]):g}"
    return text if choice.channels == "rgb" else f"{text}, channels bgr"


def _listed(numbers: Any) -> str:
    texts = [f"{each:g}" for each in numbers]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def affine_of(asked: Preprocessing, channels: int, where: str) -> tuple[Any, Any, list[int]]:
    """Return scale and offset of each channel, float64 (C,), and its index in the RGB image.

    Raises InputError where the numbers do not match the channels.
    """
    scale, offset = (_numbers(each, channels, where) for each in (asked.scale, asked.offset))
    if asked.channels == "bgr" and channels != 3:
        raise InputError(where, f"bgr for {counted(channels, 'channel')}", accepted="3 channels")
    order = [2, 1, 0] if asked.channels == "bgr" else list(range(channels))
    return scale, offset, order


def fitting(channels: int) -> dict[str, Preprocessing]:
    """Return the named choices for images with that number of channels."""
    return {
        name: choice
        for name, choice in NAMED.items()
        if len(np.atleast_1d(choice.offset)) in (1, channels)
        and (choice.channels == "rgb" or channels == 3)
    }


def _numbers(value: Number, channels: int, where: str) -> Any:
    numbers = np.atleast_1d(np.array(value, np.float64))
    if len(numbers) not in (1, channels) or not np.isfinite(numbers).all():
        raise InputError(
            where,
            f"{counted(len(numbers), 'number')} for {counted(channels, 'channel')}",
            accepted=f"one number, or {channels}",
        )
    return np.broadcast_to(numbers, channels)
