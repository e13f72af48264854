"""Augmentation: what happens to images, and to the targets that lie on them."""

from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.core.registry import TASKS
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.augmentation import augment, blend, check_augmentation, hide
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.schedules import SCHEDULES

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
    schedule = SCHEDULES["quick"].model_copy(update={"mirror": True})
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


def test_cutout_hides_one_square_of_each_image_by_its_mean() -> None:
    tensorflow, _ = load_tensorflow()
    images = IMAGES.astype(np.float32)
    hidden = hide(tensorflow.constant(images), tensorflow.constant([0, 0]), 3).numpy()
    changed = (hidden != images).any(axis=3)
    assert changed.reshape(64, -1).sum(axis=1).min() > 0
    assert changed.reshape(64, -1).sum(axis=1).max() == 9
    rows = changed.any(axis=2).sum(axis=1)
    columns = changed.any(axis=1).sum(axis=1)
    np.testing.assert_array_equal(changed.reshape(64, -1).sum(axis=1), rows * columns)
    means = np.broadcast_to(images.mean(axis=(1, 2), keepdims=True), images.shape)
    np.testing.assert_allclose(hidden[changed], means[changed], rtol=1e-5)


def test_mixup_blends_an_image_with_one_other() -> None:
    tensorflow, _ = load_tensorflow()
    images = IMAGES.astype(np.float32)
    shares = []
    for number in range(40):
        blended, share = blend(tensorflow.constant(images), tensorflow.constant([0, number]), 0.2)
        shares.append(float(share))
        expected = shares[-1] * images + (1 - shares[-1]) * images[::-1]
        np.testing.assert_allclose(blended.numpy(), expected, rtol=1e-4, atol=1e-3)
    assert min(shares) < 0.2 < 0.8 < max(shares)


@pytest.mark.parametrize("task", ["detection", "segmentation", "regression", "outputs", "depth"])
@pytest.mark.parametrize("option", [{"mixup": 0.2}, {"cutout": 8}])
def test_what_lies_at_a_place_is_neither_blended_nor_hidden(
    task: str, option: dict[str, Any]
) -> None:
    asked, name = Schedule(**option), next(iter(option))
    found = TASKS.parse({"task": task}, "test")
    with pytest.raises(InputError, match=f"{name} is for labels of a whole image"):
        check_augmentation(asked, found, "training")
    check_augmentation(Schedule(), found, "training")
    for allowed in ("classification", "multilabel"):
        check_augmentation(asked, TASKS.parse({"task": allowed}, "test"), "training")
