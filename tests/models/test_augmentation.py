"""Augmentation: what happens to images, and to the targets that lie on them."""

from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Images
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.augmentation import augment
from edgecv.models.training.schedule import SCHEDULES, Schedule

IMAGES = np.random.default_rng(3).integers(0, 256, (64, 8, 8, 3), np.uint8)


class Points(Classification):
    """A task whose targets are one point an image: float32 (N, 2)."""

    def moved(self, targets: Any, move: Any) -> Any:
        tensorflow, _ = load_tensorflow()
        x, y = move.points(targets[:, :1], targets[:, 1:])
        return tensorflow.concat([x, y], 1)


def augmented(schedule: Schedule, seeds: tuple[int, int] = (0, 0), images: Images = IMAGES) -> Any:
    tensorflow, _ = load_tensorflow()
    targets = tensorflow.zeros(len(images))
    taken = tensorflow.constant(images), targets, tensorflow.constant(seeds)
    return augment(*taken, schedule, Classification())[0].numpy()


def test_augmentation_depends_on_its_seeds_alone() -> None:
    schedule = SCHEDULES["default"].model_copy(update={"mirror": True})
    one, same, other = (augmented(schedule, seeds) for seeds in ((1, 2), (1, 2), (1, 3)))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_augmentation_only_mirrors_and_shifts() -> None:
    mirrored = augmented(Schedule(shift=0, mirror=True))
    as_is = (mirrored == IMAGES).all(axis=(1, 2, 3))
    turned = (mirrored == IMAGES[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (as_is | turned).all()
    assert 0.25 < turned.mean() < 0.75
    padded = np.pad(IMAGES, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    shifts = [padded[:, y : y + 8, x : x + 8] for y in range(3) for x in range(3)]
    shifted = augmented(Schedule(shift=1, mirror=False))
    matches = np.array([(shifted == each).all(axis=(1, 2, 3)) for each in shifts])
    assert matches.any(axis=0).all()
    assert matches.any(axis=1).all()


def test_images_that_are_not_shifted_or_mirrored_stay_as_they_are() -> None:
    np.testing.assert_array_equal(augmented(SCHEDULES["reference"]), IMAGES)


@pytest.mark.parametrize("mirror", [True, False])
def test_a_point_stays_on_its_pixel(mirror: bool) -> None:
    tensorflow, _ = load_tensorflow()
    x, y = np.random.default_rng(0).integers(3, 13, (2, 200))
    images = np.zeros((200, 16, 16, 1), np.uint8)
    images[np.arange(200), y, x] = 255
    centres = np.stack([x, y], 1).astype(np.float32) + 0.5
    taken = tensorflow.constant(images), tensorflow.constant(centres), tensorflow.constant([4, 2])
    moved, points = augment(*taken, Schedule(shift=2, mirror=mirror), Points())
    columns, rows = np.floor(points.numpy()).astype(int).T
    assert (moved.numpy()[np.arange(200), rows, columns, 0] == 255).all()
    assert len({(int(a), int(b)) for a, b in zip(columns - x, rows - y, strict=True)}) > 9
