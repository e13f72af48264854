"""Targets of several kinds in one array, and the kind that a task takes."""

import numpy as np
import pytest

from edgecv.core.data import Dataset, Split, Targets
from edgecv.core.errors import InputError
from edgecv.core.targets import IGNORED, kinds_of, rarest_class, together, with_targets


def data_with(labels: Targets) -> Dataset:
    split = Split(np.zeros((len(labels), 4, 4, 3), np.uint8), labels, "0" * 64)
    return Dataset("shapes", ("round", "square"), split, split, split, split)


BOTH = data_with(
    together({"class": np.array([0, 1, 1]), "boxes": np.ones((3, 2, 5), np.float32)}),
)


def test_a_task_takes_its_kind_of_targets() -> None:
    assert kinds_of(BOTH.test.labels) == ("class", "boxes")
    boxes = with_targets(BOTH, "boxes", "detection").train.labels
    assert boxes.shape == (3, 2, 5)
    assert boxes.dtype == np.float32
    assert boxes.flags.c_contiguous
    assert with_targets(BOTH, "class", "classification").test.labels.tolist() == [0, 1, 1]


def test_a_plain_array_is_the_class_of_each_image() -> None:
    data = data_with(np.array([0, 1]))
    assert with_targets(data, "class", "classification").test.labels.tolist() == [0, 1]


def test_a_kind_that_the_data_does_not_have_is_refused() -> None:
    with pytest.raises(InputError, match=r"has no mask for the task segmentation.*class, boxes"):
        with_targets(BOTH, "mask", "segmentation")


def test_targets_of_other_images_are_refused() -> None:
    with pytest.raises(ValueError, match="2, 3"):
        together({"class": np.zeros(2), "mask": np.zeros((3, 4, 4))})


@pytest.mark.parametrize("value", [0, IGNORED])
def test_masks_without_an_object_have_no_rarest_class(value: int) -> None:
    """Masks that a tool has written wrongly ended in an internal error."""
    masks = together({"mask": np.full((4, 8, 8), value, np.uint8)})
    assert rarest_class(masks).tolist() == [-1, -1, -1, -1]


def test_test_images_without_an_object_are_refused() -> None:
    background = data_with(together({"mask": np.zeros((2, 4, 4), np.uint8)}))
    with pytest.raises(InputError, match=r"^shapes: no test image has an object; accepted"):
        with_targets(background, "mask", "segmentation")
    none = data_with(together({"boxes": np.full((2, 1, 5), -1, np.float32)}))
    with pytest.raises(InputError, match=r"^shapes: no test image has an object; accepted"):
        with_targets(none, "boxes", "detection")
