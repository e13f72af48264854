"""Metrics, scores and same answers of maps: counted by hand, and by another library."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgecv.analysis.task_of_files import check_channels
from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.errors import InputError
from edgecv.core.paired_results import Flips, PairedStatistics
from edgecv.core.targets import IGNORED
from edgecv.evaluation.tasks.segmentation import Segmentation
from edgecv.evaluation.tasks.segmentation.class_results import class_results
from edgecv.evaluation.tasks.segmentation.text import BETTER, DIMMED, OTHER, WORSE

pytestmark = pytest.mark.quick
TASK = Segmentation()
NAMES = ("background", "cat", "dog")


def maps_of(classes: Any, count: int = 3) -> Outputs:
    """Return outputs whose likeliest class is known: int (N, H, W)."""
    return Outputs.one(0.1 + 0.7 * np.eye(count, dtype=np.float32)[np.asarray(classes)])


def squares(images: int = 40, seed: int = 0) -> np.ndarray:
    """Make masks with a square of one of two classes, in a corner of the upper half."""
    random = np.random.default_rng(seed)
    masks = np.zeros((images, 16, 16), np.uint8)
    for mask, number, left in zip(
        masks, random.integers(1, 3, images), random.integers(0, 6, images), strict=True
    ):
        mask[1:7, left : left + 5] = number
    return masks


def data_of(masks: np.ndarray) -> Dataset:
    pixels = np.repeat(masks[..., None] * 100, 3, axis=-1)
    split = Split(pixels, masks, "0")
    return Dataset("squares", NAMES, split, split, split, split)


@pytest.mark.parametrize("shape", [(16, 16, 4), (4, 16, 16)])
def test_names_are_those_of_the_channels_of_a_map(shape: tuple[int, ...]) -> None:
    """They were not counted: a model of four classes was judged with the names of three."""
    data, more = data_of(squares()), (*NAMES, "fish")
    assert TASK.names_of(shape) == 4
    for names in (NAMES, (*more, "bird")):
        with pytest.raises(InputError, match=rf"--labels: names {len(names)} outputs, .* has 4"):
            TASK.fit_data(data, TASK.names_of(shape), names, "m.keras")
        with pytest.raises(InputError, match=rf"--labels: names {len(names)} outputs, .* has 4"):
            check_channels(TASK, names, [shape])
    assert TASK.fit_data(data, 4, more, "m.keras").class_names == more
    check_channels(TASK, more, [shape])
    check_channels(TASK, None, [shape])


def test_a_map_of_one_channel_has_any_number_of_names() -> None:
    """It holds the numbers of classes, or the probability of the second of two."""
    data = data_of(squares())
    for shape in ((16, 16, 1), (16, 16)):
        assert TASK.names_of(shape) == 1
        assert TASK.fit_data(data, 1, NAMES, "m.keras").class_names == NAMES
        check_channels(TASK, NAMES, [shape])


def test_each_class_has_its_pixels_and_what_they_were_taken_for() -> None:
    """Pixels that stand for no class count nowhere; classes that only the model has are wrong."""
    masks = np.array([[[0, 0, 1, 1, IGNORED], [0, 0, 0, 2, 1]]], np.uint8)
    answers = np.array([[[0, 1, 1, 1, 1], [0, 0, 0, 0, 3]]], np.uint8)
    results = class_results(answers, masks, 3)
    assert [each.score for each in results.classes] == [4 / 6, 2 / 4, 0]
    assert [each.sensitivity for each in results.classes] == [4 / 5, 2 / 3, 0]
    assert [(each.label, each.answer, each.images) for each in results.confusion] == [
        (0, 1, 1), (2, 0, 1),
    ]  # fmt: skip
    assert (results.metric, results.unit, results.wrong_cells) == ("IoU", "pixels", 2)


def test_metrics_are_counted_over_the_pixels_of_all_images() -> None:
    masks = np.array([[[0, 0, 1, 1]], [[0, 0, 0, 2]]], np.uint8).repeat(4, axis=1)
    found = maps_of(np.array([[[0, 1, 1, 1]], [[0, 0, 0, 0]]]).repeat(4, axis=1))
    values = {each.name: each.of(found, masks) for each in TASK.metrics}
    assert values == pytest.approx(
        {
            "mIoU": (4 / 6 + 2 / 3 + 0) / 3,
            "mIoU without background": (2 / 3 + 0) / 2,
            "Dice": (8 / 10 + 4 / 5 + 0) / 3,
            "pixel accuracy": 6 / 8,
        }
    )
    scores = TASK.score_per_image(found, masks)
    assert scores == pytest.approx([(1 / 2 + 2 / 3) / 2, (3 / 4 + 0) / 2])


def test_a_class_that_is_given_where_no_mask_has_it_is_no_chance() -> None:
    masks = np.zeros((60, 16, 16), np.uint8)
    masks[:10, 1:5, 1:5] = 2
    stray = masks.copy()
    stray[10:, 12:, 12:] = 2
    worst = TASK.groups(maps_of(stray), maps_of(masks), masks)[0]
    assert (worst.label, worst.losses, worst.is_significant) == (2, 50, True)
    assert worst.difference_points < -80
    (better,) = (each for each in TASK.groups(maps_of(masks), maps_of(stray), masks) if each.label)
    assert (better.wins, better.losses) == (50, 0)


def test_pixels_that_nobody_knows_count_nowhere() -> None:
    masks, found = squares(), squares()
    found[:, 8:] = 2
    hidden = masks.copy()
    hidden[:, 8:] = IGNORED
    assert TASK.metric(maps_of(found), masks) < 0.6
    assert [each.of(maps_of(found), hidden) for each in TASK.metrics] == [1, 1, 1, 1]
    nothing = np.full_like(masks, IGNORED)
    assert TASK.score_per_image(maps_of(found), nothing).tolist() == [1.0] * len(masks)


def test_a_figure_of_a_set_with_nothing_to_count_is_not_known() -> None:
    """It was 100% for any model: "mIoU without background" of masks of background alone."""
    nothing = np.zeros((4, 16, 16), np.uint8)
    found = {each.name: each.of(maps_of(squares(4)), nothing) for each in TASK.metrics}
    assert [name for name, each in found.items() if np.isnan(each)] == ["mIoU without background"]
    nothing[:] = IGNORED
    found = {each.name: each.of(maps_of(squares(4)), nothing) for each in TASK.metrics[1:]}
    assert np.isnan(list(found.values())).all()


def test_a_class_that_no_mask_has_is_not_averaged() -> None:
    masks = np.zeros((2, 4, 4), np.uint8)
    found = masks.copy()
    found[0, 0] = 1
    assert TASK.metric(maps_of(found), masks) == pytest.approx(28 / 32)


def test_resampled_is_the_metric_of_those_images() -> None:
    masks, found = squares(), squares(seed=1)
    metric = TASK.resampled(maps_of(found), masks)
    rows = np.array([3, 3, 0, 17])
    assert metric(rows) == TASK.metric(maps_of(found[rows]), masks[rows])
    assert metric(np.arange(len(masks))) == TASK.metric(maps_of(found), masks)


def test_a_lost_object_is_another_answer_however_small() -> None:
    whole = squares(2)
    gone, moved = whole.copy(), whole.copy()
    gone[0] = 0
    moved[1, 6] = 0
    assert TASK.same_answer(maps_of(whole), maps_of(whole)).all()
    assert TASK.same_answer(maps_of(gone), maps_of(whole)).tolist() == [False, True]
    assert TASK.same_answer(maps_of(whole), maps_of(gone)).tolist() == [False, True]
    assert TASK.same_answer(maps_of(moved), maps_of(whole)).tolist() == [True, True]
    strict = Segmentation(same_iou=0.99)
    assert strict.same_answer(maps_of(moved), maps_of(whole)).tolist() == [True, False]
    assert len(TASK.answer_bytes(maps_of(whole))) == whole.size


def test_each_class_is_compared_by_its_iou() -> None:
    masks = squares()
    found = masks.copy()
    found[(masks == 2) & (np.arange(16) % 2 == 0)] = 1
    groups = TASK.groups(maps_of(found), maps_of(masks), masks)
    added, worst = PairedStatistics(Flips(0, 0.0), classes=groups), groups[0]
    assert (worst.label, worst.wins, worst.losses) == (2, 0, int((masks == 2).any((1, 2)).sum()))
    assert worst.baseline == 1.0
    assert worst.candidate == pytest.approx(0.5, abs=0.1)
    assert worst.difference_points == pytest.approx(100 * (float(worst.candidate or 0) - 1))
    assert worst.is_significant
    table = TASK.table(added, NAMES)
    assert table is not None
    assert table.rows[0][0] == "dog"
    assert TASK.summary(added, NAMES)[0].startswith("worst class dog -")


def test_one_class_everywhere_proves_nothing() -> None:
    masks = squares()
    assert TASK.proof(maps_of(masks), masks).holds
    background = TASK.proof(maps_of(np.zeros_like(masks)), masks)
    assert not background.holds
    assert background.observed == TASK.guessing(data_of(masks))
    assert not TASK.proof(maps_of(np.zeros_like(masks)), None).holds
    assert TASK.proof(maps_of(masks), None).holds
    few = masks[:3]
    assert "may be chance with 3 images" in TASK.proof(maps_of(few), few).reason


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        (lambda masks: masks[:, ::-1], "if the masks were upside down"),
        (lambda masks: masks[:, ::-1, ::-1], "if the masks were turned by 180 degrees"),
        (lambda masks: np.array([0, 2, 1], np.uint8)[masks], "stood for background, dog, cat"),
    ],
)
def test_masks_that_do_not_belong_to_the_images_stop_the_run(planted: Any, message: str) -> None:
    masks = squares()
    assert TASK.doubts(maps_of(masks), data_of(masks), "m.keras") is None
    with pytest.raises(InputError, match=message):
        TASK.doubts(maps_of(masks), data_of(planted(masks)), "m.keras")
    untrained = maps_of(np.random.default_rng(1).integers(0, 3, masks.shape))
    assert TASK.doubts(untrained, data_of(planted(masks)), "m.keras") is None


def test_maps_of_another_size_are_resized_and_that_is_said() -> None:
    masks = squares().repeat(2, axis=1).repeat(2, axis=2)
    small = maps_of(squares())
    assert TASK.metric(small, masks) > 0.9
    note = TASK.doubts(small, data_of(masks), "m.keras")
    assert note == "its maps are 16x16, and are resized to the 32x32 of the masks, bilinear"
    with pytest.raises(InputError, match="gives maps of 2 classes"):
        TASK.doubts(Outputs.one(small.only[..., :2]), data_of(masks), "m.keras")


def test_a_baseline_of_logits_or_rows_is_refused() -> None:
    TASK.check_baseline(maps_of(squares()), "m")
    TASK.check_baseline(Outputs.one(squares().astype(np.float32)), "m")
    for wrong in (np.full((2, 4, 4, 3), -3.0), np.full((2, 4, 4, 1), 1.5), np.zeros((2, 10))):
        with pytest.raises(InputError):
            TASK.check_baseline(Outputs.one(wrong.astype(np.float32)), "m")


def test_names_of_outputs_reorder_masks_and_leave_unknown_pixels() -> None:
    masks = squares()
    masks[:, -1] = IGNORED
    fitted = TASK.fit_data(data_of(masks), 3, ("dog", "background", "cat"), "m.keras")
    assert fitted.class_names == ("dog", "background", "cat")
    expected = np.where(masks == IGNORED, IGNORED, np.array([1, 2, 0])[np.minimum(masks, 2)])
    np.testing.assert_array_equal(fitted.test.labels, expected)
    assert TASK.truth(fitted, 0).split(", ")[-1] == "background"


def test_the_picture_shows_which_pixels_changed() -> None:
    masks = np.zeros((1, 4, 4), np.uint8)
    masks[0, 0] = 1
    before, after = masks.copy(), masks.copy()
    before[0, 0, 0], after[0, 1, 1] = 0, 2
    before[0, 3, 3], after[0, 3, 3] = 1, 2
    data = data_of(masks)
    found = TASK.picture(maps_of(after), maps_of(before), data, 0)
    assert found.shape == (4, 8, 3)
    np.testing.assert_array_equal(found[:, :4], data.test.images[0])
    assert [tuple(found[y, 4 + x]) for y, x in ((0, 0), (1, 1), (3, 3))] == [BETTER, WORSE, OTHER]
    assert found[0, 5, 0] == int(100 * DIMMED)
    assert TASK.captions(maps_of(after), maps_of(before), data, 0) == (
        "IoU 72% -> 92%",
        "18.8% of the pixels changed",
    )
    unlabelled = replace(data, has_labels=False)
    assert len(TASK.captions(maps_of(after), maps_of(before), unlabelled, 0)) == 1


def test_a_class_an_image_is_not_what_it_learns_from() -> None:
    labels = np.zeros(4, np.int64)
    split = Split(np.zeros((4, 8, 8, 3), np.uint8), labels, "0")
    with pytest.raises(InputError, match="has no mask for the task segmentation"):
        TASK.of_task(Dataset("classes", ("a", "b"), split, split, split, split))
