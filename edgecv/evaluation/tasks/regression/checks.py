"""Checks of the targets of a regression."""

from collections.abc import Sequence

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError


def check_one_box(data: Dataset) -> None:
    """Raise InputError for an image without a box, or with several."""
    for split in (data.train, data.calibration, data.validation, data.test):
        boxes = (split.labels[:, :, 0] >= 0).sum(axis=1)
        if len(boxes) and (boxes.min() < 1 or boxes.max() > 1):
            raise InputError(
                data.name,
                f"has images with {boxes.min()} to {boxes.max()} boxes",
                accepted="one box an image for regression",
                remedy="boxes of any number are for a detector",
            )


def check_pairs(swap: Sequence[tuple[int, int]], data: Dataset) -> None:
    """Raise InputError for pairs of keypoints that the data has not."""
    places = [place for pair in swap for place in pair]
    points = data.test.labels.shape[1] if data.test.labels.ndim > 1 else 0
    is_possible = data.test.labels.ndim > 2 and all(0 <= place < points for place in places)
    if places and (not is_possible or len(set(places)) != len(places)):
        raise InputError(
            "swap",
            f"names the keypoints {', '.join(map(str, places))}",
            accepted=f"each of 0 to {points - 1} once at the most, for keypoints",
        )
