"""Further augmentation: images are cut out, turned, coloured and blurred; targets go with them.

Each image draws strengths of its own, of the seeds of the step alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from edgecv.core.keras_types import Tensor
from edgecv.core.plugins import Task
from edgecv.models.tf import tensorflow

NEAREST, BILINEAR = "NEAREST", "BILINEAR"
FIRST_USE = 10
"""The first number of a use of chance here; shifts, cutout and mixup have others."""
GREY = (0.299, 0.587, 0.114)
"""Shares of red, green and blue in the brightness of a pixel."""


@dataclass(frozen=True)
class AffineMove:
    """The part of each image that fills it, turned: what is at ``a (x - c) + b`` comes to x."""

    a: Tensor
    """float32 (N, 2, 2): for x and y."""
    b: Tensor
    """float32 (N, 2): x and y, in pixels."""
    size: tuple[int, int]
    """Height and width of the images, in pixels."""
    cuts: ClassVar[bool] = True

    @property
    def _centre(self) -> Tensor:
        return tensorflow.constant([self.size[1] / 2, self.size[0] / 2])

    def pixels(self, maps: Tensor, interpolation: str = NEAREST) -> Tensor:
        """Return images or masks that were moved, edges reflected: (N, H, W, C), the same type."""
        # The operation counts in pixels whose middle is a whole number.
        half = self._centre - 0.5
        offset = self.b - 0.5 - tensorflow.linalg.matvec(self.a, half)
        rows = tensorflow.concat([self.a, offset[..., None]], axis=2)
        rows = tensorflow.reshape(rows, (-1, 6))
        return tensorflow.raw_ops.ImageProjectiveTransformV3(
            images=maps,
            transforms=tensorflow.pad(rows, [[0, 0], [0, 2]]),
            output_shape=tensorflow.shape(maps)[1:3],
            interpolation=interpolation,
            fill_mode="REFLECT",
            fill_value=0.0,
        )

    def points(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return where points are after the move, in pixels: float32 (N, K) each."""
        x, y = x + 0 * y, y + 0 * x  # One of them may hold a row for many.
        found = tensorflow.stack([x, y], axis=1) - self.b[..., None]
        moved = tensorflow.linalg.matmul(tensorflow.linalg.inv(self.a), found)
        moved += self._centre[:, None]
        return moved[:, 0], moved[:, 1]


def vary(
    images: Tensor, targets: Any, seeds: Tensor, strengths: Mapping[str, float], task: Task
) -> tuple[Tensor, Any]:
    """Return a batch after all variations: float32 (N, H, W, C), 0..255, and its targets."""
    kinds = [name for name in ("crop", "rotate", "colour", "blur") if name in strengths]
    count = images.shape[0]
    fold_in = tensorflow.random.experimental.stateless_fold_in
    uniform = tensorflow.random.stateless_uniform((8, count), fold_in(seeds, FIRST_USE))
    ranks = tensorflow.random.stateless_uniform((len(kinds), count), fold_in(seeds, FIRST_USE + 1))
    chosen = tensorflow.argsort(tensorflow.argsort(ranks, axis=0), axis=0)
    is_on = tensorflow.cast(chosen < int(strengths.get("choose", len(kinds))), tensorflow.float32)
    on = dict(zip(kinds, tensorflow.unstack(is_on, num=len(kinds)), strict=True))
    if "crop" in on or "rotate" in on:
        move = _move(uniform, strengths, on, tuple(images.shape[1:3]))
        images, targets = move.pixels(images, BILINEAR), task.moved(targets, move)
    if "colour" in on:
        images = _coloured(images, uniform[4:7] * 2 - 1, strengths["colour"] * on["colour"])
    if "blur" in on:
        part = (uniform[7] * on["blur"])[:, None, None, None]
        images += part * (_blurred(images, strengths["blur"]) - images)
    return images, targets


def _move(
    uniform: Tensor, strengths: Mapping[str, float], on: Mapping[str, Tensor], size: tuple[int, int]
) -> AffineMove:
    """Return the move of each image by its numbers of 0..1: float32 (8, N)."""
    zero = tensorflow.zeros_like(uniform[0])
    angle = zero
    if "rotate" in on:
        angle = (uniform[0] * 2 - 1) * math.radians(strengths["rotate"]) * on["rotate"]
    scale = zero + 1
    if "crop" in on:
        scale -= uniform[1] * (1 - strengths["crop"]) * on["crop"]
    cos, sin = scale * tensorflow.cos(angle), scale * tensorflow.sin(angle)
    a = tensorflow.stack([tensorflow.stack([cos, -sin], 1), tensorflow.stack([sin, cos], 1)], 1)
    sides = tensorflow.constant([size[1], size[0]], tensorflow.float32)
    free = (uniform[2:4] - 0.5) * (1 - scale)  # Of the sides: the part never leaves the image.
    return AffineMove(a, (tensorflow.transpose(free) + 0.5) * sides, size)


def _coloured(images: Tensor, chance: Tensor, strength: Tensor) -> Tensor:
    """Change brightness, contrast and saturation, each by up to ``strength``: (3, N), (N,)."""
    brightness, contrast, saturation = tensorflow.unstack(
        (chance * strength)[:, :, None, None, None], num=3
    )
    images += brightness * 255.0
    images += contrast * (images - tensorflow.reduce_mean(images, (1, 2, 3), keepdims=True))
    if images.shape[-1] == len(GREY):
        grey = tensorflow.reduce_sum(images * GREY, axis=-1, keepdims=True)
        images += saturation * (images - grey)
    return tensorflow.clip_by_value(images, 0.0, 255.0)


def margin_of_blur(sigma: float) -> int:
    """Return the pixels that a blur looks at on each side."""
    return math.ceil(2 * sigma)


def _blurred(images: Tensor, sigma: float) -> Tensor:
    """Return images after a Gaussian blur, edges reflected: float32 (N, H, W, C)."""
    margin, channels = margin_of_blur(sigma), images.shape[-1]
    weights = [math.exp(-0.5 * (at / sigma) ** 2) for at in range(-margin, margin + 1)]
    kernel = tensorflow.constant(weights) / sum(weights)
    margins = [[0, 0], [margin, margin], [margin, margin], [0, 0]]
    found = tensorflow.pad(images, margins, mode="REFLECT")
    for shape in ((-1, 1, 1, 1), (1, -1, 1, 1)):
        own = tensorflow.tile(tensorflow.reshape(kernel, shape), (1, 1, channels, 1))
        found = tensorflow.nn.depthwise_conv2d(found, own, (1, 1, 1, 1), "VALID")
    return found
