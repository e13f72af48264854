"""What the outputs of a file are: layouts, probabilities, logits, numbers of classes, sizes."""

import numpy as np
import pytest

from edgecv.core.data import Outputs
from edgecv.evaluation.tasks.segmentation import Segmentation
from edgecv.evaluation.tasks.segmentation.maps import channels_last, class_maps

pytestmark = pytest.mark.quick
RANDOM = np.random.default_rng(3)
CLASSES = RANDOM.integers(0, 3, (5, 6, 8))
LOGITS = np.eye(3, dtype=np.float32)[CLASSES] * 4 + RANDOM.normal(0, 0.3, (5, 6, 8, 3)).astype("f4")


def normalized(
    values: np.ndarray, scale: float | None = None
) -> tuple[np.ndarray, tuple[str, ...]]:
    outputs, notes = Segmentation().normalized(
        Outputs.one(values.astype(np.float32), "map"), {"map": scale}
    )
    assert list(outputs.arrays) == ["map"]
    return outputs.only, notes


def test_logits_of_either_layout_become_the_same_probabilities() -> None:
    last, notes = normalized(LOGITS)
    first, notes_first = normalized(np.moveaxis(LOGITS, -1, 1))
    assert (last.argmax(-1) == CLASSES).all()
    np.testing.assert_allclose(last.sum(-1), 1, atol=1e-6)
    np.testing.assert_array_equal(first, last)
    assert notes == ("it gives logits: a softmax is taken of them",)
    assert notes_first == ("its classes stand before height and width", *notes)
    again, notes_again = normalized(last)
    assert notes_again == ()
    np.testing.assert_array_equal(again, last)


@pytest.mark.parametrize(
    ("shape", "classes_last"),
    [
        ((64, 64, 2), True),
        ((2, 64, 64), False),
        ((21, 16, 16), False),
        ((16, 16, 21), True),
        ((48, 64, 5), True),
        ((5, 48, 64), False),
        ((8, 8, 8), True),
        ((64, 48, 1), True),
        ((1, 64, 48), False),
    ],
)
def test_the_axis_of_the_classes_is_found(shape: tuple[int, int, int], classes_last: bool) -> None:
    found = channels_last(np.zeros((4, *shape), np.float32)).shape
    assert found == (4, *(shape if classes_last else (*shape[1:], shape[0])))


def test_rows_of_numbers_are_no_maps() -> None:
    with pytest.raises(ValueError, match=r"shape \[7\], which are no maps"):
        normalized(np.zeros((3, 7)))


def test_one_value_a_pixel_is_two_classes() -> None:
    second = (CLASSES > 0).astype(np.float32)
    probability, logit = 0.1 + 0.8 * second, 6 * second - 3
    for values, note in ((probability, "one probability a pixel"), (logit, "one logit a pixel")):
        for shaped in (values, values[..., np.newaxis], values[:, np.newaxis]):
            maps, notes = normalized(shaped)
            assert maps.shape == (5, 6, 8, 2)
            assert (maps.argmax(-1) == second).all()
            assert note in notes[-1]
            assert (class_maps(Outputs.one(shaped)) == second).all()


def test_numbers_of_classes_stay_as_they_are() -> None:
    maps, notes = normalized(CLASSES)
    assert notes == ()
    assert maps.shape == (5, 6, 8, 1)
    assert (class_maps(Outputs.one(maps)) == CLASSES).all()
    larger = class_maps(Outputs.one(maps), (12, 16))
    assert (larger == CLASSES.repeat(2, axis=1).repeat(2, axis=2)).all()


def test_rounded_probabilities_are_still_probabilities() -> None:
    probabilities, _ = normalized(LOGITS)
    codes = np.rint(probabilities * 256).clip(0, 255) / 256
    for scale in (None, 1 / 256):
        maps, notes = normalized(codes, scale)
        assert notes == ()
        np.testing.assert_allclose(maps, codes)
    with pytest.raises(ValueError, match="neither probabilities of one class nor logits"):
        normalized(probabilities * 0.5)
