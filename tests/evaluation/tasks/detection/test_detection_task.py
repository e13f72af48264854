"""The task of boxes: scores, same answers, proof, doubts and pictures."""

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.errors import InputError
from edgecv.core.paired_results import Flips, PairedStatistics
from edgecv.core.targets import together
from edgecv.evaluation.drawing import AFTER, BEFORE
from edgecv.evaluation.drawing import TRUTH as TRUTH_COLOUR
from edgecv.evaluation.tasks.detection import Detection
from edgecv.evaluation.tasks.detection.boxes import Boxes
from edgecv.evaluation.tasks.detection.decoders import PostprocessedDecoder
from edgecv.evaluation.tasks.detection.doubts import _order_of_classes
from edgecv.pipeline.task_choice import choose_task

pytestmark = pytest.mark.quick
TASK = Detection()
NAMES, SIDE = ("cat", "dog", "bird"), 32


def objects(images: int = 40, seed: int = 0) -> np.ndarray:
    """Return boxes of one or two objects an image, as fractions, in the left upper half."""
    random = np.random.default_rng(seed)
    truth = np.full((images, 2, 5), -1, np.float32)
    for image in truth:
        for place in range(random.integers(1, 3)):
            low = np.array([0.02 + 0.3 * place, 0.05]) + random.uniform(0, 0.1, 2)
            image[place] = (random.integers(0, 3), *low, *(low + random.uniform(0.1, 0.18, 2)))
    return truth


def given(rows: Any, scores: Any = None) -> Outputs:
    """Return the outputs of post-processing for boxes: (N, most, 5) as in targets."""
    rows = np.asarray(rows, np.float32)
    is_box = rows[..., 0] >= 0
    found = np.where(is_box, 0.9, 0.0) if scores is None else np.asarray(scores)
    return Outputs(
        {
            "boxes": rows[..., [2, 1, 4, 3]],
            "classes": np.maximum(rows[..., 0], 0).astype(np.float32),
            "scores": found.astype(np.float32),
            "count": np.full((len(rows), 1), rows.shape[1], np.float32),
        }
    )


def data_of(truth: np.ndarray) -> Dataset:
    """Return data with these boxes in pixels."""
    pixels = truth * np.float32([1, SIDE, SIDE, SIDE, SIDE])
    split = Split(np.full((len(truth), SIDE, SIDE, 1), 90, np.uint8), pixels, "0")
    split = replace(split, labels=together({"boxes": pixels}))
    return Dataset("objects", NAMES, split, split, split, split)


TRUTH = objects()


def test_each_class_has_its_average_precision_and_boxes() -> None:
    """One class of the data is in no image, and one box of another is given twice."""
    truth = TRUTH.copy()
    truth[truth[..., 0] == 2] = -1
    found = TASK.class_results(given(truth), truth, 4)
    wanted = [int((truth[..., 0] == each).sum()) for each in range(4)]
    assert [each.images for each in found.classes] == wanted
    assert [each.right for each in found.classes] == wanted
    assert [each.score for each in found.classes] == [1.0, 1.0, None, None]
    assert (found.metric, found.unit, found.confusion) == ("AP", "boxes", ())
    twice = np.concatenate([truth, truth[:, :1]], axis=1)
    more = TASK.class_results(given(twice), truth, 3).classes
    assert [each.right for each in more] == wanted[:3]
    assert more[0].answers > more[0].images
    half = Detection(judged_by="AP50").class_results(given(truth + 0.01), truth, 3)
    assert half.metric == "AP50"


def test_boxes_and_post_processing_are_detection() -> None:
    shapes: list[tuple[int, ...]] = [(10,), (1,), (10, 4), (10,)]
    task, notes = choose_task(data_of(TRUTH), shapes, "numbers", "m.tflite")
    assert task == TASK
    assert notes == ("the model gives 10, 1, 10x4, 10 numbers an image: detection",)
    assert choose_task(data_of(TRUTH), [(84, 8400)], "numbers", "m")[0].name == "outputs"


def test_true_boxes_come_in_the_unit_of_the_decoder() -> None:
    data = data_of(TRUTH)
    np.testing.assert_allclose(TASK.of_task(data).test.labels, TRUTH, atol=1e-6)
    pixels = Detection(decoder=PostprocessedDecoder(coordinates="pixels"))
    np.testing.assert_array_equal(pixels.of_task(data).test.labels, data.test.labels["boxes"])


def test_what_is_right_is_one() -> None:
    assert [each.of(given(TRUTH), TRUTH) for each in TASK.metrics] == pytest.approx([1, 1, 1])
    assert [each.name for each in TASK.metrics] == ["AP", "AP50", "F1"]
    assert Detection(judged_by="AP50").headline.name == "AP50"
    assert TASK.score_per_image(given(TRUTH), TRUTH).tolist() == [1.0] * len(TRUTH)


def test_the_score_of_an_image_counts_what_is_missed_and_what_is_too_much() -> None:
    truth = np.full((4, 2, 5), -1, np.float32)
    truth[:2, 0] = (0, 0.1, 0.1, 0.3, 0.3)
    found = np.full((4, 2, 5), -1, np.float32)
    found[0] = [(0, 0.1, 0.1, 0.3, 0.3), (1, 0.6, 0.6, 0.8, 0.8)]
    found[3, 0] = (0, 0.1, 0.1, 0.3, 0.3)
    scores = TASK.score_per_image(given(found), truth)
    assert scores.tolist() == pytest.approx([2 / 3, 0, 1, 0])
    low = given(found, np.where(found[..., 0] >= 0, [[0.9, 0.2]], 0))
    assert TASK.score_per_image(low, truth).tolist() == pytest.approx([1, 0, 1, 0])


@pytest.mark.parametrize("judged_by", ["AP", "AP50"])
def test_resampled_is_the_metric_of_those_images(judged_by: Any) -> None:
    task = Detection(judged_by=judged_by)
    random = np.random.default_rng(3)
    moved = TRUTH + np.where(TRUTH >= 0, random.normal(0, 0.01, TRUTH.shape), 0)
    moved[..., 0] = TRUTH[..., 0]
    outputs = given(moved, np.where(TRUTH[..., 0] >= 0, random.random(TRUTH.shape[:2]), 0))
    metric = task.resampled(outputs, TRUTH)
    for rows in (np.array([3, 3, 0, 17, 21, 8]), np.arange(len(TRUTH))):
        assert metric(rows) == pytest.approx(task.metric(outputs.rows(rows), TRUTH[rows]))


def test_same_answers() -> None:
    truth = TRUTH[:5]
    gone, moved, other, more, low = (truth.copy() for _ in range(5))
    gone[0, 0, 0] = -1
    moved[1, 0, 1:] += 0.01
    other[2, 0, 0] = (other[2, 0, 0] + 1) % 3
    more[3, 1] = (0, 0.7, 0.7, 0.9, 0.9)
    scores = np.where(low[..., 0] >= 0, 0.35, 0)
    assert TASK.same_answer(given(truth), given(truth)).all()
    for changed, expected in (
        (gone, [False, True, True, True, True]),
        (moved, [True, True, True, True, True]),
        (other, [True, True, False, True, True]),
        (more, [True, True, True, False, True]),
    ):
        for one, two in ((changed, truth), (truth, changed)):
            assert TASK.same_answer(given(one), given(two)).tolist() == expected
    strict = Detection(same_iou=0.9)
    assert strict.same_answer(given(moved), given(truth)).tolist() == [True, False, *[True] * 3]
    # A box just below the score of an answer is the same one, a box far below is lost.
    for fall, is_same in ((0.08, True), (0.3, False)):
        fallen = given(truth, np.where(low[..., 0] >= 0, 0.35 - fall, 0))
        assert TASK.same_answer(fallen, given(truth, scores)).all() == is_same
    assert TASK.answer_bytes(given(truth)) == TASK.answer_bytes(given(truth, scores))
    assert TASK.answer_bytes(given(truth)) != TASK.answer_bytes(given(other))


def test_boxes_that_are_no_better_than_those_of_other_images_prove_nothing() -> None:
    assert TASK.proof(given(TRUTH), TRUTH).holds
    nothing = given(np.full_like(TRUTH, -1))
    assert "has an AP50 of 0.0%" in TASK.proof(nothing, TRUTH).reason
    constant = given(np.broadcast_to(TRUTH[:1], TRUTH.shape))
    for proven in (nothing, constant, given(objects(seed=9))):
        assert not TASK.proof(proven, TRUTH).holds
    assert "may be chance with 3 images" in TASK.proof(given(TRUTH[:3]), TRUTH[:3]).reason
    assert TASK.proof(given(TRUTH), None).holds
    assert not TASK.proof(nothing, None).holds


@pytest.mark.parametrize(
    ("planted", "message"),
    [
        (lambda rows: rows[..., [0, 2, 1, 4, 3]], "if x and y were exchanged"),
        (lambda rows: np.stack(
            [rows[..., 0], 1 - rows[..., 3], rows[..., 2], 1 - rows[..., 1], rows[..., 4]], -1
        ), "if they were mirrored"),
        (lambda rows: rows[..., [0, 1, 2, 3, 4]] * [1, 1, -1, 1, -1] + [0, 0, 1, 0, 1], "upside"),
        (lambda rows: np.concatenate(
            [np.where(rows[..., :1] >= 0, (rows[..., :1] + 1) % 3, -1), rows[..., 1:]], -1
        ), "if its classes stood for bird, cat, dog"),
    ],
)  # fmt: skip
def test_boxes_of_another_meaning_stop_the_run(planted: Any, message: str) -> None:
    data = TASK.of_task(data_of(TRUTH))
    TASK.doubts(given(TRUTH), data, "m.tflite")
    rows = planted(TRUTH)
    if "upside" in message:
        rows = rows[..., [0, 1, 4, 3, 2]]
    with pytest.raises(InputError, match=message):
        TASK.doubts(given(rows), data, "m.tflite")


def test_a_background_that_counts_as_a_class_is_named() -> None:
    data = TASK.of_task(data_of(TRUTH))
    rows = TRUTH.copy()
    rows[..., 0] += rows[..., 0] >= 0
    with pytest.raises(InputError, match="first_class = 1 in"):
        TASK.doubts(given(rows), data, "m.tflite")
    mended = Detection(decoder=PostprocessedDecoder(first_class=1))
    mended.doubts(given(rows), data, "m.tflite")


def test_each_class_is_compared() -> None:
    lost = TRUTH.copy()
    lost[lost[..., 0] == 2] = -1
    groups = TASK.groups(given(lost), given(TRUTH), TRUTH)
    found, worst = PairedStatistics(Flips(0, 0.0), classes=groups), groups[0]
    assert (worst.label, worst.difference_points, worst.wins) == (2, -100, 0)
    assert (worst.baseline, worst.candidate) == pytest.approx((1, 0))
    assert worst.is_significant
    table = TASK.table(found, NAMES)
    assert table is not None
    assert table.headings[2:5] == ("AP before", "AP", "F1 points")
    assert table.rows[0][:5] == ("bird", str(worst.images), "100.00%", "0.00%", "-100.00")
    assert TASK.summary(found, NAMES)[0].startswith("worst class bird -")


def test_the_picture_has_the_boxes_of_both_over_the_true_ones() -> None:
    truth = np.full((1, 2, 5), -1, np.float32)
    truth[0, 0] = (1, 0.25, 0.25, 0.5, 0.5)
    moved = truth.copy()
    moved[0, 0, 1:] += 0.25
    data = TASK.of_task(data_of(truth))
    found = TASK.picture(given(moved), given(truth), data, 0)
    # The true box is of 56 to 112 pixels of 224, and so is the one before; after it is moved.
    assert found.shape == (224, 448, 3)
    assert [tuple(found[y, y]) for y in (56, 112, 80)] == [BEFORE, BEFORE, (90,) * 3]
    assert [tuple(found[y, 224 + y]) for y in (56, 112, 168)] == [TRUTH_COLOUR, AFTER, AFTER]
    assert TASK.captions(given(moved), given(truth), data, 0) == (
        "dog",
        "-> dog",
        "F1 100% -> 0%",
    )
    assert TASK.truth(data, 0) == "dog"
    nothing = given(np.full_like(truth, -1))
    assert TASK.captions(nothing, given(truth), data, 0)[1] == "-> nothing"
    assert TASK.answer_text(nothing, NAMES, 0) == "nothing"
    assert TASK.answer_text(given(truth), NAMES, 0) == "dog 90.0% (0.25, 0.25, 0.5, 0.5)"


def test_nothing_is_trained_with_the_decoder_of_others() -> None:
    with pytest.raises(InputError, match="detector of others"):
        Detection(decoder=PostprocessedDecoder()).head(TASK.of_task(data_of(TRUTH)))


def test_other_classes_are_looked_for_in_few_images_at_a_time() -> None:
    """It took all images at once: 2 GB for 5,000 images of COCO, and more with their number."""
    peaks = []
    for images in (10, 256, 1024):  # The first one imports scipy.
        random = np.random.default_rng(0)
        corners = np.sort(random.random((images, 40, 2, 2)), axis=2).reshape(images, 40, 4)
        classes = random.integers(0, 3, (images, 40))
        truth = np.concatenate([((classes + 1) % 3)[..., None], corners], axis=2)[:, :20]
        boxes = Boxes(classes, np.ones((images, 40)), corners)
        tracemalloc.start()
        try:
            assert _order_of_classes(boxes, truth, 3).tolist() == [1, 2, 0]
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert peaks[2] < 2 * peaks[1]
