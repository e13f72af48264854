"""Raw outputs of a teacher for batches that come again: it is asked once for each."""

from typing import Any

from edgecv.core.data import Split
from edgecv.core.keras_types import Tensor
from edgecv.models.tf import Inference, tensorflow

MOST_BYTES_KEPT = 2**27
"""Answers that are kept for the next epochs; it is asked again for those beyond."""


class TeacherAnswers:
    """The raw outputs of a teacher by the place of a batch; empty ones without a teacher."""

    def __init__(self, ask: Inference | None, most_bytes: int | None = None) -> None:
        """``ask``: the teacher's raw outputs; ``most_bytes``: the most that is kept, 128 MB by
        default.
        """
        self._most_bytes = MOST_BYTES_KEPT if most_bytes is None else most_bytes
        self._ask: Any = ask
        self._split: Split | None = None
        self._kept: dict[int, Any] = {}
        self._bytes = 0

    def begin(self, split: Split) -> None:
        """Begin a pass over a split: answers for another one are forgotten."""
        if split is not self._split:
            self._split, self._kept, self._bytes = split, {}, 0

    def kept(self, place: int) -> Any:
        """Return the raw outputs that are kept for the batch of a place; None where none are."""
        return () if self._ask is None else self._kept.get(place)

    def of(self, place: int, images: Tensor) -> Any:
        """Return the raw outputs for the images of the batch of a place, and keep them."""
        kept = self.kept(place)
        if kept is not None:
            return kept
        found = self._ask(images)
        size = sum(4 * int(tensorflow.size(each)) for each in tensorflow.nest.flatten(found))
        if self._bytes + size <= self._most_bytes:
            self._kept[place] = found
            self._bytes += size
        return found
