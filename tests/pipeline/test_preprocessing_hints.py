"""Hints on preprocessing, measured on a sample of the whole test split."""

import numpy as np
import pytest

from edgecv.core.preprocessing import Preprocessing
from edgecv.core.records import Dataset, Images, Predictions, Split
from edgecv.evaluation.task_of import default_task
from edgecv.pipeline.preprocessing_hints import IMAGES_FOR_A_HINT, with_each_choice


def ordered_data() -> Dataset:
    """Return two classes of 300 test images each, all of the first class before the second."""
    labels = np.repeat([0, 1], 300)
    images = np.zeros((600, 2, 2, 3), np.uint8)
    images[:, 0, 0, 0] = labels
    nothing = Split(images[:0], labels[:0], "")
    test = Split(images, labels, "")
    return Dataset("ordered", ("first", "second"), nothing, nothing, nothing, test)


def test_a_hint_is_of_all_classes_of_an_ordered_set() -> None:
    """A preprocessing by which every image is of the first class is right on half of them."""
    sizes = []

    def predict(images: Images, choice: Preprocessing) -> Predictions:
        sizes.append(len(images))
        return np.tile(np.array([0.9, 0.1], np.float32), (len(images), 1))

    found = with_each_choice(predict, ordered_data(), default_task())
    assert set(sizes) == {IMAGES_FOR_A_HINT}
    assert list(found.values()) == pytest.approx([0.5] * len(found))


def test_images_keep_their_labels() -> None:
    def predict(images: Images, choice: Preprocessing) -> Predictions:
        return np.eye(2, dtype=np.float32)[images[:, 0, 0, 0]]

    assert set(with_each_choice(predict, ordered_data(), default_task()).values()) == {1.0}
