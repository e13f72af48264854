"""Arrays of targets: their kinds are found by shape or name, checked, and moved with the images."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.core.targets import with_targets
from edgecv.datasets.arrays import Arrays
from edgecv.datasets.npz import Npz

pytestmark = pytest.mark.quick

SHAPE = (8, 8, 3)
RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.integers(0, 256, (36, 8, 8, 3), dtype=np.uint8)
CLASSES = np.arange(36) % 3
MASKS = np.repeat(CLASSES, 64).reshape(36, 8, 8)
BOXES = np.repeat([[[0, 1, 2, 5, 8], [1, 0, 0, 4, 4]]], 36, axis=0)
POINTS = RANDOM.uniform(0, 8, (36, 4, 2))


def load(targets: dict[str, Any], shape: Any = SHAPE, **more: Any) -> Dataset:
    """Load 30 training and 6 test images; ``targets``: all of them, by their name behind y_."""
    arrays: dict[str, Any] = {"x_train": IMAGES[:30], "x_test": IMAGES[30:]}
    for name, values in targets.items():
        arrays["_".join(filter(None, ("y_train", name)))] = values[:30]
        arrays["_".join(filter(None, ("y_test", name)))] = values[30:]
    return Arrays.of(arrays | more).load(shape, 0, lambda done, total: None)


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (CLASSES, "class"),
        (RANDOM.random(36), "numbers"),
        (RANDOM.random((36, 4)), "numbers"),
        (RANDOM.integers(0, 9, (36, 4)), "numbers"),
        (np.stack([CLASSES > 0, CLASSES < 2, CLASSES == 1], axis=1), "classes"),
        (MASKS, "mask"),
        (MASKS[..., None].astype(np.uint8), "mask"),
        (BOXES, "boxes"),
        (POINTS, "keypoints"),
    ],
)
def test_the_shape_says_the_kind(values: Any, kind: str) -> None:
    data = load({"": values})
    assert (data.test.labels.dtype.names or ("class",)) == (kind,)
    assert len(data.train) + len(data.calibration) + len(data.validation) == 30


def test_names_say_the_kind_and_several_kinds_stand_together(tmp_path: Path) -> None:
    given = {"": CLASSES, "numbers": CLASSES, "boxes": BOXES, "box": RANDOM.random((36, 4))}
    data = load(given)
    kinds = {
        name: (kind.base, kind.shape) for name, (kind, _) in data.test.labels.dtype.fields.items()
    }
    assert kinds == {
        "class": (np.int64, ()),
        "numbers": (np.float32, (1,)),
        "boxes": (np.float32, (2, 5)),
        "box": (np.float32, (4,)),
    }
    np.testing.assert_array_equal(data.test.labels["class"], CLASSES[30:])
    arrays = {
        "x": IMAGES,
        "y": CLASSES,
        "y_numbers": CLASSES,
        "y_boxes": BOXES,
        "y_box": given["box"],
    }
    np.savez(tmp_path / "mine.npz", **arrays)
    drawn = Npz.at(tmp_path / "mine.npz").load(SHAPE, 0, lambda done, total: None)
    assert drawn.test.labels.dtype == data.test.labels.dtype
    assert [len(drawn.split(name)) for name in SPLITS] == [23, 4, 3, 6]
    assert "one image in 5 was set aside" in drawn.notes[0]
    assert (data.has_drawn_test, drawn.has_drawn_test) == (False, True)


def test_without_splits_as_many_calibrate_as_are_promised() -> None:
    source = Arrays.of({"x": IMAGES, "y": CLASSES})
    data = source.load(SHAPE, 0, lambda done, total: None)
    assert source.most_calibration_images() == len(data.calibration)
    assert np.bincount(data.test.labels).tolist() == [2, 2, 2]


def test_targets_move_with_images_that_are_resized() -> None:
    data = load(
        {"boxes": BOXES, "keypoints": POINTS, "mask": MASKS, "depth": MASKS / 2}, (16, 4, 3)
    )
    labels = data.test.labels
    np.testing.assert_array_equal(labels["boxes"][0], [[0, 0.5, 4, 2.5, 16], [1, 0, 0, 2, 8]])
    np.testing.assert_allclose(labels["keypoints"][0, :, :2], POINTS[30] * [0.5, 2], rtol=1e-6)
    assert labels["mask"].shape == labels["depth"].shape == (6, 16, 4)
    np.testing.assert_array_equal(labels["mask"][:, 0, 0], MASKS[30:, 0, 0])
    assert "not changed with the size of the images" not in " ".join(data.notes)
    moved = load({"box": RANDOM.random((36, 4))}, (16, 4, 3))
    assert moved.notes[-1] == "not changed with the size of the images: box"


def test_masks_of_0_and_255_have_two_classes() -> None:
    data = load({"": (MASKS > 1) * 255})
    assert data.class_names == ("0", "1")
    assert np.unique(data.train.labels["mask"]).tolist() == [0, 1]


def test_a_point_without_a_place_is_not_visible() -> None:
    points = POINTS.copy()
    points[:, 2] = np.nan
    assert load({"": points}).test.labels["keypoints"][0, :, 2].tolist() == [1, 1, 0, 1]


def test_another_target_of_a_copy_is_noted() -> None:
    numbers = RANDOM.random((36, 2))
    images = IMAGES.copy()
    images[1] = images[0]
    data = load({"": numbers}, x_train=images[:30])
    assert data.notes[-1] == "1 exact copy contradicted the targets of the first"


@pytest.mark.parametrize(
    ("targets", "parts"),
    [
        ({"": MASKS[:, :7]}, ["y_train holds int64 of shape (30, 7, 8)", "y_test_depth"]),
        ({"mask": MASKS[:, :7]}, ["y_train_mask has the shape (30, 7, 8), the images are 8x8"]),
        ({"mask": MASKS * 200}, ["y_train_mask[2, 0, 0] is 400"]),
        ({"numbers": np.full(36, np.nan)}, ["y_train_numbers[0] is nan"]),
        ({"classes": np.eye(3)[CLASSES] * 2}, ["y_train_classes[0, 0] is 2.0", "0 or 1"]),
        ({"boxes": np.add(BOXES, [0, 0, 0, 9, 0])}, ["y_train_boxes[0, 0] reaches out"]),
        ({"boxes": BOXES * [1, 1, 1, 0, 1]}, ["y_train_boxes[0, 0] has no size"]),
        ({"boxes": BOXES * np.nan}, ["y_train_boxes[0, 0, 0] is nan"]),
        ({"boxes": BOXES - [9, 0, 0, 0, 0]}, ["y_train_boxes[0, 0, 0] is -9"]),
        ({"keypoints": POINTS * np.inf}, ["y_train_keypoints[0, 0, 0] is inf"]),
        ({"": CLASSES, "class": CLASSES}, ["two arrays of class"]),
    ],
)  # fmt: skip
def test_wrong_targets_are_refused(targets: dict[str, Any], parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        load(targets)
    for part in parts:
        assert part in str(caught.value)


def test_targets_of_test_images_alone_are_refused() -> None:
    with pytest.raises(InputError, match="there is y_test_box, and no such targets of train"):
        load({"": CLASSES}, y_test_box=POINTS[30:, 0])
    with pytest.raises(InputError, match=r"y_train_mask\[2, 0, 0\] is 2; accepted: 0..1"):
        load({"mask": MASKS}, class_names=["a", "b"])


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        ("boxes", np.full((36, 1, 5), -1), "no test image has an object"),
        (
            "boxes",
            np.where(np.arange(36)[:, None, None] < 30, BOXES, BOXES[:, 1:]),
            r"the class 0 \(an object\) is in training images alone",
        ),
        ("mask", np.minimum(MASKS, np.arange(36)[:, None, None] < 30), r"class 1 \(a pixel\)"),
        ("classes", np.tile(np.arange(36)[:, None] > 29, 2), r"0, 1 \(an image\) is in test im"),
    ],
)
def test_the_kind_that_a_task_takes_has_the_same_classes_in_all_splits(
    kind: str, values: Any, message: str
) -> None:
    data = load({kind: values, "": CLASSES})
    with_targets(data, "class", "classification")
    with pytest.raises(InputError, match=message):
        with_targets(data, kind, "a task")


def test_a_class_that_no_image_has_is_noted() -> None:
    data = load({"classes": np.tile([[1, 0]], (36, 1))}, class_names=["sea", "sun"])
    taken = with_targets(data, "classes", "multilabel")
    assert taken.notes[-1] == "of the classes of an image, no test image has sun"
