"""Calibration images for ONNX Runtime's quantizer."""

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images
from edgecv.formats.onnx.canonical import INPUT


class CalibrationPixels:
    """The quantizer's source of images, one by one: float32 (1, H, W, C), pixels minus zero."""

    def __init__(self, images: Images, zero: int) -> None:
        self._images = images
        self._zero = np.float32(zero)
        self._next = 0

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """Return the next input, None after the last."""
        if self._next == len(self._images):
            return None
        image = self._images[self._next : self._next + 1].astype(np.float32)
        self._next += 1
        return {INPUT: image - self._zero}
