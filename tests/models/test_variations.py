"""Variations of images by strength: seeds alone decide, targets stay on their pixels."""

from typing import Any

import numpy as np
import pytest
from refusals import refusal_of

from edgecv.core.registry import TASKS
from edgecv.core.targets import NO_BOX
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.tf import tensorflow
from edgecv.models.training.augmentation import check_augmentation
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.schedules import parse_schedule
from edgecv.models.training.variations import vary

SIDE, COUNT = 32, 60
TURNED = {"crop": 0.6, "rotate": 30.0}
IMAGES = np.random.default_rng(3).integers(0, 256, (COUNT, SIDE, SIDE, 3)).astype(np.float32)


def task(name: str, **options: Any) -> Any:
    return TASKS.parse({"task": name, **options}, "test")


def varied(
    strengths: dict[str, float],
    images: Any = IMAGES,
    targets: Any = None,
    of: Any = None,
    step: int = 3,
) -> tuple[Any, Any]:
    seeds = tensorflow.constant([0, step])
    found, moved = vary(
        tensorflow.constant(images),
        tensorflow.zeros(len(images)) if targets is None else tensorflow.constant(targets),
        seeds,
        strengths,
        of or Classification(),
    )
    return found.numpy(), moved.numpy()


@pytest.mark.parametrize("strengths", [TURNED, {"colour": 0.3}, {"blur": 1.0}])
def test_the_seeds_alone_decide(strengths: dict[str, float]) -> None:
    one, same, other = (varied(strengths, step=step)[0] for step in (3, 3, 4))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    assert one.shape == IMAGES.shape
    assert one.min() >= -1e-3
    assert one.max() <= 255 + 1e-3


def spots() -> tuple[Any, Any, Any]:
    """Return images with a bright square of five pixels on black, and where its middle is."""
    x, y = np.random.default_rng(0).integers(11, 21, (2, COUNT))
    images = np.zeros((COUNT, SIDE, SIDE, 1), np.float32)
    for image, column, row in zip(images, x, y, strict=True):
        image[row - 2 : row + 3, column - 2 : column + 3] = 255
    return images, x + 0.5, y + 0.5


@pytest.mark.parametrize("strengths", [TURNED, {"rotate": 80.0}, {"crop": 0.4}])
def test_keypoints_stay_on_their_pixel(strengths: dict[str, float]) -> None:
    images, x, y = spots()
    targets = np.ones((COUNT, 3, 2), np.float32)
    targets[:, 0] = np.stack([x, y], 1)
    moved, points = varied(strengths, images, targets, task("regression", kind="keypoints"))
    inside = points[:, 1, 0] > 0
    assert inside.mean() > 0.8
    for image, (column, row) in zip(moved[inside], points[inside, 0], strict=True):
        assert image[min(int(row), 31), min(int(column), 31), 0] > 200
    assert len(np.unique(points[:, 0].round(2))) > COUNT
    gone = points[~inside, 0]
    assert ((gone < 0) | (gone > SIDE)).any(axis=1).all()


def test_masks_and_boxes_stay_on_their_objects() -> None:
    images, x, y = spots()
    masks = (images[..., 0] > 0).astype(np.uint8)
    moved, turned = varied(TURNED, images, masks, task("segmentation"))
    assert ((moved[..., 0] > 250) <= (turned == 1)).all()
    assert ((moved[..., 0] < 5) <= (turned == 0)).all()
    boxes = np.zeros((COUNT, 2, 5), np.float32)
    boxes[:, 1, 0] = NO_BOX
    boxes[:, 0, 1:] = np.stack([x - 2.5, y - 2.5, x + 2.5, y + 2.5], 1) / SIDE
    moved, found = varied({"crop": 0.3}, images, boxes, task("detection"))
    for image, (number, *sides) in zip(moved, found[:, 0], strict=True):
        left, top, right, bottom = (round(each * SIDE) for each in sides)
        if number == NO_BOX:
            assert image.max() < 128
        else:
            assert image[top:bottom, left:right].mean() > 150
            assert image.sum() - image[top:bottom, left:right].sum() < 255 * 30
    assert NO_BOX in found[:, 0, 0]


def test_each_image_has_as_many_as_are_chosen() -> None:
    all_of_them = {"rotate": 60.0, "colour": 0.5, "blur": 2.0}
    plain = np.full((COUNT, 16, 16, 3), 100.0, np.float32)  # Only colour can change it.
    changed = (varied({**all_of_them, "choose": 1.0}, plain)[0] != 100).reshape(COUNT, -1).mean(1)
    assert 0.15 < (changed > 0.5).mean() < 0.55
    assert ((varied(all_of_them, plain)[0] != 100).reshape(COUNT, -1).mean(1) > 0.5).all()


def test_a_list_names_them_and_keys_of_their_own() -> None:
    made = parse_schedule(
        {"augment": ["rotate=15", "colour", "flip", "shift=3", "cutout=4", "mixup"]}, "test"
    )
    assert made.augment == {"rotate": 15.0, "colour": 0.2}
    assert (made.mirror, made.shift, made.cutout, made.mixup) == (True, 3, 4, 0.2)
    assert Schedule(**made.model_dump()) == made
    assert "augment" not in Schedule().model_dump()


WRONG = [
    (["sharpen"], 'known variations: "sharpen" is none of crop'),
    (["rotate=200"], "rotate from 0 to 180"),
    (["rotate=x"], 'a number after rotate=: "rotate=x"'),
    (["blur", "blur=2"], "each variation once: blur"),
    (["cutout", "cutout=4"], "each variation once: cutout"),
    (["blur", "choose"], "choose below the number"),
    (["choose=1.5", "rotate", "blur"], "a whole number of variations to choose"),
    (["flip=1"], "flip takes no number"),
    (["mirror=0.5"], "mirror takes no number"),
    ({"tilt": 3}, 'known variations: "tilt"'),
]


@pytest.mark.parametrize(("augment", "message"), WRONG)
def test_what_is_unknown_is_refused(augment: Any, message: str) -> None:
    assert message in refusal_of(lambda: parse_schedule({"augment": augment}, "test"))


@pytest.mark.parametrize(
    ("name", "options", "augment", "message"),
    [
        ("detection", {}, {"rotate": 5}, 'the augmentation "rotate" moves images in a way'),
        ("regression", {}, {"crop": 0.8}, "the targets of regression cannot go with"),
        ("depth", {}, {"crop": 0.8}, "leave crop out"),
        ("regression", {"kind": "keypoints"}, {"rotate": 90}, "rotate=89 at most"),
    ],
)
def test_what_would_leave_targets_behind_is_refused(
    name: str, options: Any, augment: Any, message: str
) -> None:
    of = task(name, **options)
    assert message in refusal_of(lambda: check_augmentation(Schedule(augment=augment), of, "x"))
    check_augmentation(Schedule(augment={"colour": 0.1}), of, "x")
