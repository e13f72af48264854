"""The transformation of a pixel's bytes on their way into a network, as one matrix."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Shape
from edgecv.core.quantization import Steps
from edgecv.formats.affine import RealConstant, product_or_sum

FULL = 255
GREYS = (1, 64, 129)


class PixelMatrix(NamedTuple):
    """A function of a pixel's bytes b, ``values[:, :-1] @ b + values[:, -1]``, and its room."""

    values: NDArray[Any]
    room: NDArray[Any]
    """The largest error of the values by the rounding of constants, of the same shape."""

    def times(self, row: NDArray[Any], step: NDArray[Any]) -> "PixelMatrix":
        """Return the product with a constant by channel, (channels,), whose steps are given."""
        room = self.room * np.abs(row[:, np.newaxis])
        room += np.abs(self.values) * step[:, np.newaxis] / 2
        return PixelMatrix(self.values * row[:, np.newaxis], room)

    def plus(self, row: NDArray[Any], step: NDArray[Any]) -> "PixelMatrix":
        """Return the sum with a constant by channel, (channels,), whose steps are given."""
        values, room = self.values.copy(), self.room.copy()
        values[:, -1] += row
        room[:, -1] += step / 2
        return PixelMatrix(values, room)


class Pixels:
    """A pixel's bytes after the operators so far; ``matrix`` is None where they are not known.

    ``encode``: the function that encodes images as the file's input; None if it cannot be opened.
    ``order``: the order of the input's axes, as in ``SessionFacts``.
    """

    def __init__(
        self, encode: Callable[[Images], NDArray[Any]] | None, shape: Shape, order: str = "NHWC"
    ) -> None:
        self.matrix: PixelMatrix | None = None
        self._order = order
        if encode is not None:
            self._probe(encode, shape)

    def _probe(self, encode: Callable[[Images], NDArray[Any]], shape: Shape) -> None:
        channels = shape[2]

        def encoded(pixel: NDArray[Any]) -> NDArray[np.float64]:
            image = np.broadcast_to(pixel.astype(np.uint8), (1, *shape))
            place = tuple(slice(None) if letter == "C" else 0 for letter in self._order)
            values = encode(np.ascontiguousarray(image))[place]
            return np.atleast_1d(np.asarray(values, np.float64))

        black = encoded(np.zeros(channels))
        full = np.stack([encoded(FULL * row) for row in np.eye(channels)], axis=1)
        slopes = (full - black[:, np.newaxis]) / FULL
        values = np.concatenate([slopes, black[:, np.newaxis]], axis=1)
        self.matrix = PixelMatrix(values, np.zeros_like(values))
        # An input that rounds is not linear between black and white: check points between them.
        for grey in GREYS:
            between = black + slopes @ np.full(channels, grey)
            if not np.allclose(encoded(np.full(channels, grey)), between, rtol=1e-5, atol=1e-6):
                self.lose()
                return

    def apply(self, operator: str, constant: RealConstant, *, is_left: bool = True) -> None:
        """Apply an operator on the pixels and a constant: one number, or one per channel."""
        found = product_or_sum(operator, constant, is_left=is_left)
        if self.matrix is None:
            return
        channels = len(self.matrix.values)
        if found is None or constant.values.size not in (1, channels):
            self.lose()
            return
        is_product, other = found
        apply = self.matrix.times if is_product else self.matrix.plus
        self.matrix = apply(*other.wide(channels))

    def dequantize(self, steps: Steps) -> None:
        """Apply the scale and the zero point of the file's input."""
        self.apply("ADD", RealConstant(np.array([-steps.zero_point], np.float64)))
        self.apply("MUL", RealConstant(np.array([steps.scale])))

    def lose(self) -> None:
        """Mark the transformation as unknown: it is not a product and a sum."""
        self.matrix = None

    @property
    def room(self) -> NDArray[np.float32] | None:
        """The largest error of the matrix by the rounding of its constants, of the same shape."""
        return None if self.matrix is None else self.matrix.room.astype(np.float32)

    @property
    def found(self) -> NDArray[np.float32] | None:
        """The matrix, float32 (channels, channels + 1)."""
        return None if self.matrix is None else self.matrix.values.astype(np.float32)
