"""The loss of two maps: smallest where they are right; boxes move with their images."""

from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Outputs
from edgecv.evaluation.tasks.detection import Detection, training
from edgecv.evaluation.tasks.detection.boxes import overlaps
from edgecv.models.tf import tensorflow
from edgecv.models.training.augmentation import BatchMove

TASK, CELLS, CLASSES, SIDE = Detection(), 8, 3, 64


def targets(images: int = 4) -> np.ndarray:
    """Return one or two boxes an image, as fractions, each in its own half."""
    random = np.random.default_rng(2)
    found = np.full((images, 3, 5), -1, np.float32)
    for image in found:
        for place in range(random.integers(1, 3)):
            low = np.array([0.5 * place, 0.1]) + random.uniform(0.05, 0.15, 2)
            image[place] = (random.integers(0, 3), *low, *(low + random.uniform(0.2, 0.3, 2)))
    return found


TARGETS = targets()


def right_maps(sure: float = 12.0) -> dict[str, Any]:
    """Return raw maps that give the true boxes, by the cells that learn them."""
    classes, corners, learns = (each.numpy() for each in training.assigned(TARGETS, (8, 8)))
    rows, columns = np.mgrid[:CELLS, :CELLS] + 0.5
    middles = np.stack([columns, rows], axis=-1)
    boxes = np.concatenate([middles - corners[..., :2], corners[..., 2:] - middles], axis=-1)
    logits = np.where(np.eye(CLASSES)[classes] * learns[..., None] > 0, sure, -sure)
    return {"boxes": boxes.astype(np.float32), "classes": logits.astype(np.float32)}


def test_each_box_is_learned_by_the_cells_around_its_middle() -> None:
    classes, corners, learns = (each.numpy() for each in training.assigned(TARGETS, (8, 8)))
    for image, rows in enumerate(TARGETS):
        for kind, left, top, right, bottom in rows[rows[:, 0] >= 0].tolist():
            column, row = (left + right) / 2 * CELLS, (top + bottom) / 2 * CELLS
            place = image, int(row), int(column)
            assert learns[place] == 1
            assert classes[place] == kind
            expected = np.array([left, top, right, bottom]) * CELLS
            np.testing.assert_allclose(corners[place], expected, atol=1e-5)
    assert 1 <= learns.sum() / (TARGETS[..., 0] >= 0).sum() <= 4
    assert not training.assigned(np.full((1, 2, 5), -1, np.float32), (8, 8))[2].numpy().any()


def test_the_maps_that_are_right_have_no_loss_and_are_found() -> None:
    raw = right_maps()
    assert TASK.loss(TARGETS, raw).numpy().max() < 1e-3
    assert TASK.training_score(TARGETS, raw).numpy() == pytest.approx(1, abs=1e-3)
    given = {"boxes": raw["boxes"], "classes": 1 / (1 + np.exp(-raw["classes"]))}
    assert TASK.metric(Outputs(given), TARGETS) == pytest.approx(1)
    for wrong in (
        {**raw, "boxes": raw["boxes"] * 1.3},
        {**raw, "classes": raw["classes"][..., ::-1]},
        {**raw, "classes": np.abs(raw["classes"])},
    ):
        assert (TASK.loss(TARGETS, wrong).numpy() > TASK.loss(TARGETS, raw).numpy()).all()


def test_it_can_be_learned_from_anywhere() -> None:
    nothing = np.full((2, 1, 5), -1, np.float32)
    raw = {
        "boxes": tensorflow.Variable(np.zeros((2, 8, 8, 4), np.float32)),
        "classes": tensorflow.Variable(np.zeros((2, 8, 8, CLASSES), np.float32)),
    }
    for truth, learned in ((TARGETS[:2], ("classes", "boxes")), (nothing, ("classes",))):
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_sum(TASK.loss(truth, raw))
        for name, gradient in tape.gradient(loss, raw).items():
            assert np.isfinite(gradient.numpy()).all()
            assert (np.abs(gradient.numpy()).max() > 0) == (name in learned)


def test_the_overlap_is_that_of_the_figures() -> None:
    random = np.random.default_rng(0)
    low = random.uniform(0, 5, (2, 50, 2))
    one, other = np.concatenate([low, low + random.uniform(1, 4, (2, 50, 2))], axis=-1)
    exact = np.diagonal(overlaps(one, other))
    np.testing.assert_allclose(training.overlap_of(one, other).numpy(), exact, atol=1e-6)
    general = training.overlap_of(one, other, generalized=True).numpy()
    assert (general <= exact + 1e-6).all()
    assert general.min() < 0


def test_imitation_is_smallest_where_it_is_the_same() -> None:
    teacher = right_maps(3.0)
    for temperature in (1.0, 4.0):
        same = TASK.imitation_loss(teacher, teacher, temperature).numpy()
        assert np.abs(same).max() < 1e-5
        for key in teacher:
            other = {**teacher, key: teacher[key] + 0.5}
            assert (TASK.imitation_loss(teacher, other, temperature).numpy() > 1e-3).all()


def test_boxes_move_with_their_pixels() -> None:
    images = np.zeros((len(TARGETS), SIDE, SIDE, 1), np.uint8)
    pixels = np.rint(TARGETS * [1, SIDE, SIDE, SIDE, SIDE]).astype(int)
    for image, rows in zip(images, pixels, strict=True):
        for number, (kind, left, top, right, bottom) in enumerate(rows):
            if kind >= 0:
                image[top:bottom, left:right] = number + 1
    whole = pixels / np.float32([1, SIDE, SIDE, SIDE, SIDE])
    offsets = tensorflow.constant([[[0], [4], [1], [2]], [[3], [1], [4], [0]]])
    mirrored = tensorflow.constant([[False], [True], [True], [False]])
    move = BatchMove(offsets, mirrored, 2, (SIDE, SIDE))
    moved = TASK.moved(tensorflow.constant(whole, "float32"), move).numpy()
    shown = move.pixels(tensorflow.constant(images)).numpy()[..., 0]
    assert (moved[..., 0] == TARGETS[..., 0]).all()
    for image, rows in zip(shown, moved * [1, SIDE, SIDE, SIDE, SIDE], strict=True):
        for number, (kind, *corners) in enumerate(rows):
            if kind >= 0:
                places = np.argwhere(image == number + 1)
                (top, left), (bottom, right) = places.min(axis=0), places.max(axis=0) + 1
                np.testing.assert_allclose(corners, [left, top, right, bottom], atol=1e-3)
