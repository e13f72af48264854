"""Ranges are found on pixels like those to come, or the run says which are not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.datasets.resolve import resolve
from edgecv.pipeline.export import check_calibration
from edgecv.pipeline.recipe.from_flags import CompressOptions

pytestmark = pytest.mark.quick


def data_of(folder: Path, train: tuple[int, int], test: tuple[int, int]) -> Dataset:
    """Make a data set whose pixels are in train[0]..train[1] and in test[0]..test[1]."""
    random = np.random.default_rng(0)
    path = folder / "pixels.npz"
    labels = np.arange(60) % 2
    sides = {
        "x_train": random.integers(*train, (60, 8, 8, 1), dtype=np.uint8, endpoint=True),
        "x_test": random.integers(*test, (60, 8, 8, 1), dtype=np.uint8, endpoint=True),
    }
    np.savez(path, y_train=labels, y_test=labels, **sides)
    return resolve(str(path)).load((8, 8, 1), 0, lambda done, total: None)


@pytest.mark.parametrize(
    ("train", "test", "words"),
    [
        ((0, 1), (0, 255), "hold pixels of 0..1, its test images of 0..255"),
        ((0, 1), (0, 1), "hold pixels of 0..1, its test images of 0..1"),
        ((200, 220), (0, 255), "hold pixels of 200..220"),
    ],
)
def test_calibration_out_of_range_is_refused_with_the_ranges(
    tmp_path: Path, train: tuple[int, int], test: tuple[int, int], words: str
) -> None:
    data = data_of(tmp_path, train, test)
    with pytest.raises(InputError) as caught:
        check_calibration(CompressOptions(data="digits").to_recipe(), data)
    assert words in str(caught.value)
    assert "bring the training images to 0..255" in str(caught.value)
    check_calibration(CompressOptions(data="digits", quantize="none").to_recipe(), data)


def test_images_of_little_contrast_are_images(tmp_path: Path) -> None:
    data = data_of(tmp_path, (100, 160), (0, 255))
    check_calibration(CompressOptions(data="digits").to_recipe(), data)


def test_test_images_alone_calibrate_nothing(tmp_path: Path) -> None:
    data = data_of(tmp_path, (0, 255), (0, 255))
    calibration = replace(
        data.calibration, images=data.calibration.images[:0], labels=data.calibration.labels[:0]
    )
    alone = replace(data, calibration=calibration)
    with pytest.raises(InputError, match="has test images alone, and the ranges"):
        check_calibration(CompressOptions(data="digits").to_recipe(), alone)
    check_calibration(CompressOptions(data="digits", quantize="none").to_recipe(), alone)
