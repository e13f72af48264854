"""Checks of the targets of a regression."""

from collections.abc import Sequence

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.evaluation.tasks.regression.values import WantedNumbers

FEWEST_IMAGES = 2


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


def check_numbers(data: Dataset) -> None:
    """Refuse whole numbers, which are classes, and a single image, which has no range."""
    labels = data.test.labels
    if labels.dtype.kind in "iu" or len(labels) < FEWEST_IMAGES:
        raise InputError(
            data.name,
            f"has {labels.dtype} targets of {len(labels)} test images",
            accepted="numbers (float32) of two test images or more",
        )


def check_for_sigmoid(wanted: WantedNumbers, where: str) -> None:
    """Refuse targets that a sigmoid cannot give."""
    if wanted.values.min() < 0 or wanted.values.max() > 1:
        raise InputError(
            where,
            f"has targets of {wanted.values.min():.4g} to {wanted.values.max():.4g}",
            accepted="0 to 1 for a sigmoid",
            remedy='leave ends_in = "sigmoid" out',
        )
