"""The transformation of a pixel's bytes on their way into a network, as one matrix."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Steps
from edgecv.core.records import Images, Shape
from edgecv.formats.affine import RealConstant

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
        self._room: NDArray[np.float64] | None = None
        self._order = order
        if encode is not None:
            self._probe(encode, shape)

    def _probe(self, encode: Callable[[Images], NDArray[Any]], shape: Shape) -> None:
        channels = shape[2]

        def encoded(pixel: NDArray[Any]) -> NDArray[np.float64]:
            image = np.broadcast_to(pixel.astype(np.uint8), (1, *shape))
            return _first_pixel(encode(np.ascontiguousarray(image)), self._order)

        black = encoded(np.zeros(channels))
        full = np.stack([encoded(FULL * row) for row in np.eye(channels)], axis=1)
        slopes = (full - black[:, np.newaxis]) / FULL
        self.matrix = np.concatenate([slopes, black[:, np.newaxis]], axis=1)
        # An input that rounds is not linear between black and white: check points between them.
        for grey in GREYS:
            between = black + slopes @ np.full(channels, grey)
            if not np.allclose(encoded(np.full(channels, grey)), between, rtol=1e-5, atol=1e-6):
                self.lose()
                return

    def multiply(self, factor: RealConstant) -> None:
        """Apply a multiplication by one number, or by one number per channel."""
        if self.matrix is not None and self._fits(factor):
            wide, step = (each[:, np.newaxis] for each in factor.wide(len(self.matrix)))
            self._room = self._wide() * np.abs(wide) + np.abs(self.matrix) * step / 2
            self.matrix = self.matrix * wide

    def add(self, term: RealConstant) -> None:
        """Apply an addition of one number, or of one number per channel."""
        if self.matrix is not None and self._fits(term):
            wide, step = term.wide(len(self.matrix))
            self._room = self._wide()
            self._room[:, -1] += step / 2
            self.matrix = self.matrix.copy()
            self.matrix[:, -1] += wide

    def decode(self, steps: Steps) -> None:
        """Turn the integers of the input into the reals that they stand for."""
        self.add(RealConstant(np.array([-steps.zero_point], np.float64)))
        self.multiply(RealConstant(np.array([steps.scale])))

    def _wide(self) -> NDArray[np.float64]:
        if self._room is not None:
            return self._room.copy()
        return np.zeros_like(self.matrix)

    def lose(self) -> None:
        """Mark the transformation as unknown: it is not a product and a sum."""
        self.matrix = None

    def _fits(self, constant: RealConstant) -> bool:
        """Return True for one number, or one number per channel; others lose the transformation."""
        assert self.matrix is not None
        if constant.values.size in (1, len(self.matrix)):
            return True
        self.lose()
        return False

    @property
    def room(self) -> NDArray[np.float32] | None:
        """The largest error of the matrix by the rounding of its constants, of the same shape."""
        return None if self.matrix is None else self._wide().astype(np.float32)

    @property
    def found(self) -> NDArray[np.float32] | None:
        """The matrix, float32 (channels, channels + 1)."""
        return None if self.matrix is None else self.matrix.astype(np.float32)


def _first_pixel(encoded: NDArray[Any], order: str) -> NDArray[np.float64]:
    place = tuple(slice(None) if letter == "C" else 0 for letter in order)
    return np.atleast_1d(np.asarray(encoded[place], np.float64))
