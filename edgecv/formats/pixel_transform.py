"""The transformation of a pixel's bytes on their way into a network, as one matrix."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Shape
from edgecv.core.quantization import Steps
from edgecv.formats.affine import RealConstant, product_or_sum

FULL = 255
GREYS = (1, 64, 129)


class Pixels:
    """A pixel's bytes b after the operators so far: ``matrix[:, :-1] @ b + matrix[:, -1]``.

    ``encode``: the function that encodes images as the file's input; None if it cannot be opened.
    ``order``: the order of the input's axes, as in ``SessionFacts``.
    """

    def __init__(
        self, encode: Callable[[Images], NDArray[Any]] | None, shape: Shape, order: str = "NHWC"
    ) -> None:
        self.matrix: NDArray[np.float64] | None = None
        self._room: NDArray[np.float64] = np.zeros(0)
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
        self.matrix = np.concatenate([slopes, black[:, np.newaxis]], axis=1)
        self._room = np.zeros_like(self.matrix)
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
        if found is None or constant.values.size not in (1, len(self.matrix)):
            self.lose()
            return
        is_product, other = found
        row, step = other.wide(len(self.matrix))
        self._room, self.matrix = self._room.copy(), self.matrix.copy()
        if is_product:
            self._room *= np.abs(row[:, np.newaxis])
            self._room += np.abs(self.matrix) * step[:, np.newaxis] / 2
            self.matrix *= row[:, np.newaxis]
        else:
            self._room[:, -1] += step / 2
            self.matrix[:, -1] += row

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
        return None if self.matrix is None else self._room.astype(np.float32)

    @property
    def found(self) -> NDArray[np.float32] | None:
        """The matrix, float32 (channels, channels + 1)."""
        return None if self.matrix is None else self.matrix.astype(np.float32)
