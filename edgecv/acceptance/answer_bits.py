"""Answers to the test images in a few bytes: one bit an image for right or wrong, and a hash."""

import base64
import binascii
import hashlib

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Outputs, Targets
from edgecv.core.plugins import Task

Right = NDArray[np.bool_]
"""One value a test image, True where the answer is right: bool (N,), in the split's order."""


def packed(right: Right) -> str:
    """Return one bit an image as base64: 834 letters for 5,000 images, and the padding.

    >>> packed(np.array([True, False, True]))
    'oA=='
    """
    return base64.b64encode(np.packbits(right).tobytes()).decode("ascii")


def unpacked(text: str, images: int) -> Right:
    """Return the array that ``packed`` encoded. Raises ValueError for another number of images.

    >>> unpacked("oA==", 3).tolist()
    [True, False, True]
    """
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("one bit a test image, as base64") from None
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    if len(content) != (images + 7) // 8 or bits[images:].any():
        raise ValueError(f"one bit for each of {images:,} test images, as base64")
    return bits[:images].astype(bool)


def right_of(outputs: Outputs, targets: Targets | None, task: Task) -> Right | None:
    """Return True for each image that is right: bool (N,); None where scores are not 0 or 1."""
    if targets is None or not task.has_binary_scores:
        return None
    right: Right = task.score_per_image(outputs, targets) == 1
    return right


def answers_sha256(outputs: Outputs, task: Task) -> str:
    """Return a hash of the answers to all images."""
    return hashlib.sha256(task.answer_bytes(outputs)).hexdigest()
