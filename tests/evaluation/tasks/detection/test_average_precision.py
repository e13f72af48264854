"""Average precision: counted by hand, and as COCO's own evaluators count it."""

import contextlib
import io
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecv.core.data import Targets
from edgecv.evaluation.tasks.detection.average_precision import Matched, match
from edgecv.evaluation.tasks.detection.boxes import Boxes, overlaps
from edgecv.evaluation.tasks.detection.proof import average

pytestmark = pytest.mark.quick
CLASSES, PIXELS = 4, 100


def boxes_of(rows: list[list[tuple[float, ...]]]) -> Boxes:
    """Return boxes of images by rows of class, score and corners."""
    most = max(1, *map(len, rows))
    found = np.zeros((len(rows), most, 6))
    found[..., 0] = -1
    for place, each in enumerate(rows):
        for number, row in enumerate(sorted(each, key=lambda row: -row[1])):
            found[place, number] = row
    return Boxes(found[..., 0].astype(np.int64), found[..., 1], found[..., 2:])


def truth_of(rows: list[list[tuple[float, ...]]]) -> Targets:
    """Return true boxes of images by rows of class and corners."""
    found = np.full((len(rows), max(1, *map(len, rows)), 5), -1, np.float32)
    for place, each in enumerate(rows):
        for number, row in enumerate(each):
            found[place, number] = row
    return found


def random_boxes(seed: int, images: int = 60) -> tuple[Boxes, Targets]:
    """Return boxes near the true ones, some of another class, some anywhere; many equal scores."""
    random = np.random.default_rng(seed)
    digits = 1 if seed % 2 else 3
    true, found = [], []
    for _ in range(images):
        corners = random.integers(0, 70, (random.integers(0, 5), 2))
        rows = [
            (float(random.integers(0, CLASSES)), *each, *(each + random.integers(6, 25, 2)))
            for each in corners
        ]
        near = [
            (
                row[0] if random.random() < 0.8 else float(random.integers(0, CLASSES)),
                round(float(random.random()), digits) + 0.01,
                *(np.array(row[1:]) + random.integers(-2, 3, 4)),
            )
            for row in rows
            for _ in range(random.integers(0, 3))
        ]
        low = random.integers(0, 70, (random.integers(0, 4), 2))
        anywhere = [
            (
                float(random.integers(0, CLASSES)),
                round(float(random.random()), digits) + 0.01,
                *each,
                *(each + random.integers(5, 20, 2)),
            )
            for each in low
        ]
        true.append(rows)
        found.append([*near, *anywhere])
    return boxes_of(found), truth_of(true)


def in_coco_s_form(boxes: Boxes, truth: Targets) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    annotations, found = [], []
    for image, rows in enumerate(truth.astype(float).tolist()):
        for number, left, top, right, bottom in rows:
            if number >= 0:
                size = [left, top, right - left, bottom - top]
                annotations.append(
                    {
                        "id": len(annotations) + 1,
                        "image_id": image + 1,
                        "iscrowd": 0,
                        "category_id": int(number) + 1,
                        "bbox": size,
                        "area": size[2] * size[3],
                    }
                )
    for image, place in np.argwhere(boxes.classes >= 0).tolist():
        left, top, right, bottom = boxes.corners[image, place].tolist()
        found.append(
            {
                "image_id": image + 1,
                "category_id": int(boxes.classes[image, place]) + 1,
                "score": float(boxes.scores[image, place]),
                "bbox": [left, top, right - left, bottom - top],
            }
        )
    images = [{"id": each + 1, "width": PIXELS, "height": PIXELS} for each in range(len(truth))]
    categories = [{"id": each + 1, "name": str(each)} for each in range(CLASSES)]
    return {"images": images, "annotations": annotations, "categories": categories}, found


def precisions_of(library: str, boxes: Boxes, truth: Targets) -> np.ndarray:
    """Return a library's average precisions: (overlaps, classes), NaN where there is none."""
    known, found = in_coco_s_form(boxes, truth)
    if library == "pycocotools":
        coco, cocoeval = (
            pytest.importorskip(f"pycocotools.{each}") for each in ("coco", "cocoeval")
        )
        with contextlib.redirect_stdout(io.StringIO()):
            data = coco.COCO()
            data.dataset = known
            data.createIndex()
            evaluation = cocoeval.COCOeval(data, data.loadRes(found), "bbox")
            evaluation.evaluate()
            evaluation.accumulate()
    else:
        faster = pytest.importorskip("faster_coco_eval")
        data = faster.COCO(known)
        evaluation = faster.COCOeval_faster(data, data.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"][..., 0, -1]
    return np.where(precision[:, 0] < 0, np.nan, precision.mean(axis=1))


@pytest.mark.parametrize("library", ["faster_coco_eval", "pycocotools"])
def test_it_is_coco_s(library: str) -> None:
    for seed in range(4):
        boxes, truth = random_boxes(seed)
        expected = precisions_of(library, boxes, truth)
        found = match(boxes, truth, CLASSES).precisions()
        np.testing.assert_allclose(found, expected, atol=1e-12)
        assert 0.05 < np.nanmean(found) < 0.9


def test_it_is_what_one_counts_by_hand() -> None:
    # Two true boxes of a class, in two images. By score: a hit, a miss, a hit that overlaps 0.8.
    # Up to a recall of 1/2 (51 of 101 places) the precision is 1, above 2/3, where the second
    # one is found: at the seven overlaps of 0.5 to 0.8.
    truth = truth_of([[(0, 0, 0, 10, 10)], [(0, 0, 0, 10, 10)]])
    boxes = boxes_of(
        [
            [(0, 0.9, 0, 0, 10, 10), (0, 0.5, 50, 50, 60, 60)],
            [(0, 0.4, 0, 0, 8, 10)],
        ]
    )
    found = match(boxes, truth, 1)
    assert found.precisions()[0, 0] == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert average(found, 1) == pytest.approx((51 + 50 * 2 / 3) / 101)
    assert found.precisions()[-1, 0] == pytest.approx(51 / 101)
    assert average(found) == pytest.approx((7 * (51 + 50 * 2 / 3) + 3 * 51) / 10 / 101)
    # F1 at 0.45: one hit of two given and one true; none of none given and one true.
    hits, given, wanted = found.figures(0.45)
    assert hits.ravel().tolist() == [1, 0]
    assert given.ravel().tolist() == [2, 0]
    assert wanted.ravel().tolist() == [1, 1]


def test_a_second_box_on_a_true_one_is_a_miss() -> None:
    truth = truth_of([[(0, 0, 0, 10, 10)]])
    twice = boxes_of([[(0, 0.9, 0, 0, 10, 9), (0, 0.8, 0, 0, 10, 10)]])
    found = match(twice, truth, 1)
    assert found.hits[0].tolist() == [[True, False]]
    assert found.hits[-1].tolist() == [[False, True]]
    assert average(match(boxes_of([[]]), truth, 1)) == 0
    assert np.isnan(match(twice, truth_of([[]]), 1).precisions()).all()


@given(st.integers(0, 10_000))
def test_images_drawn_anew_are_counted_as_often_as_they_are_drawn(seed: int) -> None:
    boxes, truth = random_boxes(2 * (seed % 7), 25)
    # No two scores are equal: else copies of an image could stand in another order.
    boxes.scores[boxes.classes >= 0] += (
        np.random.default_rng(1).random((boxes.classes >= 0).sum()) / 1e4
    )
    rows = np.random.default_rng(seed).integers(0, 25, 25)
    whole = match(boxes, truth, CLASSES)
    drawn = whole.precisions(np.bincount(rows, minlength=25))
    again = match(boxes.of(rows), truth[rows], CLASSES).precisions()
    np.testing.assert_allclose(drawn, again, atol=1e-12)


def test_two_thousand_draws_take_seconds() -> None:
    boxes, truth = random_boxes(2, 600)
    found: Matched = match(boxes, truth, CLASSES)
    random = np.random.default_rng(0)
    began = time.process_time()
    for _ in range(200):
        average(found, times=np.bincount(random.integers(0, 600, 600), minlength=600))
    assert time.process_time() - began < 2


def test_overlap_of_boxes() -> None:
    one = np.array([[0, 0, 4, 4], [0, 0, 0, 0], [2, 2, 1, 9]], float)
    other = np.array([[2, 0, 6, 4], [4, 4, 8, 8], [0, 0, 0, 0]], float)
    assert overlaps(one, other).round(6).tolist() == [[round(8 / 24, 6), 0, 0], [0] * 3, [0] * 3]
