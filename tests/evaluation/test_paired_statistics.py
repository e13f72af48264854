"""Flips, classes, calibration and confusions of two sets of predictions."""

import json
from dataclasses import asdict

import numpy as np
import pytest
from pydantic import TypeAdapter

from edgecv.core.data import Labels, Outputs, Predictions
from edgecv.core.paired_results import GroupDifference, PairedStatistics
from edgecv.evaluation.changed_answers import changed_answers, most_confident
from edgecv.evaluation.paired_statistics import paired_statistics
from edgecv.evaluation.statistics.groups import group_differences, holm
from edgecv.evaluation.tasks.classification import Classification
from edgecv.evaluation.tasks.classification.calibration_error import calibration_error
from edgecv.evaluation.tasks.classification.per_class import confusion_changes

pytestmark = pytest.mark.quick

TASK = Classification()


def sure_of(answers: list[int], classes: int = 3, confidence: float = 0.8) -> Predictions:
    """Return predictions that give some answers: float32 (N, classes)."""
    rest = (1 - confidence) / (classes - 1)
    predictions = np.full((len(answers), classes), rest, np.float32)
    predictions[np.arange(len(answers)), answers] = confidence
    return predictions


LABELS = np.array([0, 0, 1, 1, 2, 2])
BEFORE = Outputs.one(sure_of([0, 0, 1, 0, 0, 2]))
AFTER = Outputs.one(sure_of([0, 1, 1, 1, 1, 2]))


def test_flips_are_parted_into_wins_losses_and_both_wrong() -> None:
    found = changed_answers(AFTER, BEFORE, LABELS, TASK)
    assert (found.count, found.fraction) == (3, 0.5)
    assert (found.wins, found.losses, found.both_wrong) == ((3,), (1,), (4,))


def test_without_labels_flips_are_all_that_is_known() -> None:
    found = paired_statistics(AFTER, BEFORE, None, TASK)
    assert found.flips.unjudged == (1, 3, 4)
    assert (found.accuracy, found.classes, found.calibration) == (None, (), None)


def test_a_model_against_itself() -> None:
    found = paired_statistics(BEFORE, BEFORE, LABELS, TASK)
    assert found.accuracy is not None
    assert found.calibration is not None
    assert (found.flips.count, found.confusion, found.calibration.rise) == (0, (), 0.0)
    assert (found.accuracy.p_value, found.accuracy.difference_points) == (1.0, 0.0)


def test_the_most_confident_come_first_and_ties_by_place() -> None:
    after = Outputs.one(AFTER.only.copy())
    after.only[4] = [0.05, 0.9, 0.05]
    found = changed_answers(after, BEFORE, LABELS, TASK)
    assert most_confident(found, after, TASK, 48) == [4, 1, 3]
    assert most_confident(found, after, TASK, 1) == [4]


def class_differences(
    answers: np.ndarray, before: np.ndarray, labels: Labels
) -> tuple[GroupDifference, ...]:
    return group_differences(answers == labels, before == labels, labels)


def test_the_worst_class_is_first() -> None:
    labels = np.repeat([0, 1, 2], 100)
    before = labels.copy()
    after = labels.copy()
    after[:4] = 1
    after[100:140] = 2
    worst, second, last = class_differences(after, before, labels)
    assert (worst.label, worst.losses, worst.difference_points) == (1, 40, -40.0)
    assert worst.is_significant
    assert (second.label, second.difference_points, second.is_significant) == (0, -4.0, False)
    assert (last.label, last.p_value) == (2, 1.0)


def test_a_class_that_stands_out_by_chance_alone_is_not_significant() -> None:
    """Six losses of six are p = 0.03 for one class, and nothing strange among ten."""
    labels = np.repeat(np.arange(10), 50)
    after = labels.copy()
    after[:6] = 9
    worst = class_differences(after, labels, labels)[0]
    assert worst.p_value == pytest.approx(2 / 2**6)
    assert worst.corrected_p_value == pytest.approx(20 / 2**6)
    assert not worst.is_significant


def test_a_class_without_images_is_no_class() -> None:
    labels = np.array([0, 2, 2])
    assert {each.label for each in class_differences(labels, labels, labels)} == {0, 2}


def test_false_alarms_of_holm_stay_below_five_percent() -> None:
    random = np.random.default_rng(0)
    alarms = [np.any(holm(random.uniform(size=10)) < 0.05) for _ in range(4000)]
    assert 0.04 < np.mean(alarms) < 0.06


def test_the_largest_changes_of_the_confusion_matrix() -> None:
    labels = np.zeros(20, np.int64)
    before = np.array([0] * 10 + [1] * 6 + [2] * 4)
    after = np.array([0] * 8 + [1] * 11 + [2] * 1)
    first, second = confusion_changes(after, before, labels, classes=3)
    assert (first.label, first.answer, first.baseline, first.candidate) == (0, 1, 6, 11)
    assert (second.answer, second.baseline, second.candidate) == (2, 4, 1)


@pytest.mark.parametrize(
    ("confidence", "right", "expected"),
    [(0.8, 8, 0.0), (0.9, 8, 0.1), (0.8, 10, 0.2), (1.0, 10, 0.0), (1.0, 0, 1.0)],
)
def test_calibration_error_of_one_bin(confidence: float, right: int, expected: float) -> None:
    predictions = sure_of([0] * 10, classes=2, confidence=confidence)
    labels = np.array([0] * right + [1] * (10 - right))
    assert calibration_error(predictions, labels) == pytest.approx(expected, abs=1e-6)


def test_errors_of_two_bins_do_not_cancel() -> None:
    predictions = np.concatenate([sure_of([0] * 10, 2, 0.6), sure_of([0] * 10, 2, 0.9)])
    labels = np.array([0] * 9 + [1] + [0] * 6 + [1] * 4)
    assert calibration_error(predictions, labels) == pytest.approx(0.3)


def test_statistics_survive_json() -> None:
    found = paired_statistics(AFTER, BEFORE, LABELS, TASK)
    text = json.dumps(asdict(found), allow_nan=False)
    assert TypeAdapter(PairedStatistics).validate_python(json.loads(text)) == found
