"""Arrays that are too large for one frame: a child sends their rows in several."""

import numpy as np

from edgecv.system.isolation.protocol import Frame, MalformedFrame

MOST_BYTES = 2**34
"""Arrays of an answer: a child that lies could fill the memory otherwise."""


class FrameParts:
    """The frames of an answer until now: each holds further rows of the same arrays."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self._frames: list[Frame] = []
        self._most_bytes, self._room = most_bytes, most_bytes

    def add(self, frame: Frame) -> None:
        """Keep a part. Raises MalformedFrame where it does not go on with those before it."""
        if not frame.arrays or not all(each.ndim and len(each) for each in frame.arrays):
            raise MalformedFrame("a part of no rows")
        first = (self._frames or [frame])[0]
        if _rows_of(first) != _rows_of(frame):
            raise MalformedFrame("a part of other arrays")
        self._room -= sum(each.nbytes for each in frame.arrays)
        if self._room < 0:
            raise MalformedFrame(f"sends more than {self._most_bytes} bytes")
        self._frames.append(frame)

    def joined(self, last: Frame) -> Frame:
        """Return the answer with the rows of all parts. Raises MalformedFrame as ``add`` does."""
        if not self._frames:
            return last
        self.add(last)
        columns = zip(*(each.arrays for each in self._frames), strict=True)
        return Frame(last.header, [np.concatenate(each) for each in columns])


def _rows_of(frame: Frame) -> list[tuple[str, tuple[int, ...]]]:
    """Return the type and the shape of a row of each array."""
    return [(each.dtype.name, each.shape[1:]) for each in frame.arrays]
