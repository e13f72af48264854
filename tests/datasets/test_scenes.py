"""Scenes of digits: the same everywhere, no digit in two splits, targets that lie on the digits."""

import numpy as np
import pytest

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.core.targets import NO_BOX, with_targets
from edgecv.datasets.resolve import resolve
from edgecv.datasets.scenes import Scenes, enlarged

pytestmark = pytest.mark.quick


@pytest.fixture(scope="module")
def scenes() -> Dataset:
    return Scenes(scenes=200).load((64, 64, 3), 0, lambda done, total: None)


def test_they_are_the_same_everywhere(scenes: Dataset) -> None:
    assert {name: scenes.split(name).sha256[:12] for name in SPLITS} == {
        "train": "7a916032c7d3",
        "calibration": "3c122ef9dfd8",
        "validation": "add42fabf71d",
        "test": "ef89fc303448",
    }


def test_the_seed_of_a_run_does_not_change_them(scenes: Dataset) -> None:
    source = resolve("scenes").model_copy(update={"scenes": 200})
    again = source.load((64, 64, 3), 7, lambda done, total: None)
    assert again.test.sha256 == scenes.test.sha256
    assert source.most_calibration_images() == len(scenes.calibration)
    assert [len(scenes.split(name)) for name in SPLITS] == [128, 24, 8, 40]


def test_no_digit_is_in_two_splits() -> None:
    classes = np.arange(1797) % 10
    pools = Scenes()._pools(classes)
    assert sorted(np.concatenate(list(pools.values())).tolist()) == list(range(1797))
    for pool in pools.values():
        assert set(classes[pool]) == set(range(10))


def test_every_target_lies_on_its_digit(scenes: Dataset) -> None:
    labels = scenes.train.labels
    for row in range(len(labels)):
        mask, boxes = labels["mask"][row], labels["boxes"][row]
        boxes = boxes[boxes[:, 0] != NO_BOX].astype(int)
        left_over = mask.copy()
        for kind, left, top, right, bottom in boxes:
            part = mask[top:bottom, left:right]
            assert set(np.unique(part)) <= {0, kind + 1}
            assert part.any(axis=1)[[0, -1]].all()
            assert part.any(axis=0)[[0, -1]].all()
            left_over[top:bottom, left:right] = 0
        assert not left_over.any()
        assert labels["numbers"][row] == [len(boxes)]
        assert labels["class"][row] == boxes[0, 0]
        assert set(np.flatnonzero(labels["classes"][row])) == set(boxes[:, 0])
        _, left, top, right, bottom = boxes[0]
        centre, top_left, _, bottom_right, _ = labels["keypoints"][row][:, :2].tolist()
        assert centre == [(left + right) / 2, (top + bottom) / 2]
        assert [top_left, bottom_right] == [[left, top], [right, bottom]]
    assert labels["numbers"].min() == 1
    assert labels["numbers"].max() == 3


def test_a_mask_has_a_background_and_boxes_have_none(scenes: Dataset) -> None:
    assert with_targets(scenes, "mask", "test").class_names == ("background", *"0123456789")
    assert with_targets(scenes, "boxes", "test").class_names == tuple("0123456789")
    assert with_targets(scenes, "numbers", "test").class_names == tuple("0123456789")


def test_ink_stands_out_of_its_background(scenes: Dataset) -> None:
    for image, mask in zip(scenes.test.images[:20], scenes.test.labels["mask"], strict=False):
        ink, rest = (image[mask > 0], image[mask == 0])
        assert abs(ink.mean() - rest.mean()) > 20


def test_other_shapes() -> None:
    source = Scenes(scenes=100, most_digits=1)
    data = source.load((48, 64, 1), 0, lambda done, total: None)
    assert data.image_shape == (48, 64, 1)
    assert data.test.labels["boxes"].shape == (20, 1, 5)
    with pytest.raises(InputError, match="at least 32 pixels"):
        source.load((64, 24, 3), 0, lambda done, total: None)


def test_enlarging_is_bilinear() -> None:
    values = np.array([[0, 80], [160, 240]])[:, :, None]
    assert enlarged(values, 4, 4)[:, :, 0].tolist() == [
        [0, 20, 60, 80],
        [40, 60, 100, 120],
        [120, 140, 180, 200],
        [160, 180, 220, 240],
    ]
