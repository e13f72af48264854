"""Answers to the test images in a few bytes: a bit or a score an image, and a hash."""

import base64
import binascii
import hashlib
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import Outputs, Targets
from edgecv.core.errors import InputError
from edgecv.core.options import Options
from edgecv.core.plugins import Task
from edgecv.core.text import counted

Right = NDArray[np.bool_]
"""One value a test image, True where the answer is right: bool (N,), in the split's order."""
Scores = NDArray[np.float64]
"""One score a test image, higher is better: float64 (N,), in the split's order."""
LONGEST = 1_000_000
"""Letters of base64 that are read."""
Base64 = Annotated[str, Field(max_length=LONGEST)]
LARGEST_CODE = 2**16 - 1
SMALLEST_STEP = 1e-9
LARGEST = 1e12


class PackedScores(Options):
    """The scores of all test images, rounded to 65,536 steps between the least and the best."""

    least: float = Field(ge=-LARGEST, le=LARGEST)
    """The least score of an image."""
    step: float = Field(ge=SMALLEST_STEP, le=LARGEST)
    """The difference of two codes."""
    codes: Base64
    """A code of two bytes for each image, the low one first, as base64."""

    @classmethod
    def of(cls, scores: Scores) -> "PackedScores":
        """Return the scores with two bytes an image. Raises InputError for too many images."""
        least = float(scores.min())
        step = max((float(scores.max()) - least) / LARGEST_CODE, SMALLEST_STEP)
        codes = np.rint((scores - least) / step).astype("<u2")
        text = base64.b64encode(codes.tobytes()).decode("ascii")
        if len(text) > LONGEST:
            raise InputError(
                "the scores of the test images",
                f"are those of {counted(len(codes), 'image')}",
                accepted=f"up to {LONGEST * 3 // 8:,} in a lock",
                remedy="measure fewer test images",
            )
        return cls(least=least, step=step, codes=text)

    def unpacked(self, images: int) -> Scores:
        """Return the scores. Raises ValueError for another number of images.

        >>> PackedScores.of(np.array([-0.5, 0.0])).unpacked(2).round(9).tolist()
        [-0.5, 0.0]
        """
        content = _decoded(self.codes, "codes of two bytes")
        if len(content) != 2 * images:
            raise ValueError(f"a code of two bytes for each of {images:,} test images, as base64")
        return self.least + self.step * np.frombuffer(content, "<u2").astype(np.float64)

    def rounded(self, scores: Scores) -> Scores:
        """Return other scores, rounded as these were: equal ones stay equal."""
        return self.least + self.step * np.rint((scores - self.least) / self.step)


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
    content = _decoded(text, "one bit a test image")
    bits = np.unpackbits(np.frombuffer(content, np.uint8))
    if len(content) != (images + 7) // 8 or bits[images:].any():
        raise ValueError(f"one bit for each of {images:,} test images, as base64")
    return bits[:images].astype(bool)


def _decoded(text: str, wanted: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise ValueError(f"{wanted}, as base64") from None


def scores_of(outputs: Outputs, targets: Targets | None, task: Task) -> Scores | None:
    """Return the score of each image: float64 (N,); None where scores are 0 or 1, or not known."""
    if targets is None or task.has_binary_scores:
        return None
    return task.score_per_image(outputs, targets)


def right_of(outputs: Outputs, targets: Targets | None, task: Task) -> Right | None:
    """Return True for each image that is right: bool (N,); None where scores are not 0 or 1."""
    if targets is None or not task.has_binary_scores:
        return None
    right: Right = task.score_per_image(outputs, targets) == 1
    return right


def answers_sha256(outputs: Outputs, task: Task) -> str:
    """Return a hash of the answers to all images."""
    return hashlib.sha256(task.answer_bytes(outputs)).hexdigest()
