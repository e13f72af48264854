"""Several labels an image: mAP, the labels that are given, and what the default limits catch."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from marks import SIDE, marks

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.comparison import Measurement
from edgecv.core.data import Dataset, Outputs
from edgecv.core.errors import InputError
from edgecv.core.report import Gate
from edgecv.core.targets import together, with_targets
from edgecv.evaluation.comparison import compare
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.paired_statistics import paired_statistics
from edgecv.evaluation.statistics.real_scores import interval
from edgecv.evaluation.tasks.multilabel import Multilabel
from edgecv.evaluation.tasks.multilabel.average_precision import mean_average_precision
from edgecv.pipeline.task_choice import choose_task

pytestmark = pytest.mark.quick

TASK = Multilabel()
SPLIT = marks(300, (SIDE, SIDE, 1), 0)
DATA = TASK.of_task(Dataset("marks", ("wide", "high", "dark"), SPLIT, SPLIT, SPLIT, SPLIT))
LABELS = DATA.test.labels
RANDOM = np.random.default_rng(0)
GOOD = np.clip(0.8 * LABELS + RANDOM.uniform(0, 0.35, LABELS.shape) - 0.08, 0, 1).astype("f4")
TENSOR = TensorFacts("image", (1, SIDE, SIDE, 1), "uint8")


def test_orders_that_move_without_an_answer_have_no_interval_of_one_image() -> None:
    """It had Student's t of one image: six times too wide, needing 13 times the images."""
    random = np.random.default_rng(0)
    labels = (random.random((600, 5)) < 0.2).astype(np.uint8)
    before = 1 / (1 + np.exp(-(labels * 2.5 - 3 + random.normal(size=labels.shape))))
    near = np.clip(before + random.normal(size=labels.shape) * 0.02, 0.001, 0.449)
    after, one = np.where(before < 0.45, near, before), before.copy()
    one[3] = after[3]
    metrics = [TASK.resampled(Outputs.one(each), labels) for each in (after, before)]
    low, high = interval(
        lambda rows: 100 * (metrics[0](rows) - metrics[1](rows)), len(labels), len(labels)
    )
    found = paired_statistics(Outputs.one(after), Outputs.one(before), labels, TASK, 1.0).scores
    assert found is not None
    assert (found.wins, found.losses, found.no_worse.answer) == (0, 0, "yes")
    assert np.ptp(found.interval_points) == pytest.approx(high - low, rel=0.1)
    alone = paired_statistics(Outputs.one(one), Outputs.one(before), labels, TASK, 1.0).scores
    assert alone is not None
    error = abs(alone.difference_points)
    assert alone.difference_points != 0
    assert np.ptp(alone.interval_points) > 20 * error


def gates(
    values: np.ndarray, good: np.ndarray = GOOD, labels: np.ndarray = LABELS
) -> dict[str, Gate]:
    facts = SessionFacts(TENSOR, (TENSOR,), ((3,),), (SIDE, SIDE, 1))
    file = Artifact("int8.tflite", "tflite", "int8", 1, 1, "0" * 64)
    measured = Measurement(file, "litert", Outputs.one(values), facts)
    found = compare(measured, None, Outputs.one(good), labels, TASK, 1)
    limits = Limits().with_defaults()
    judged = judge_limits(found, limits, classes=DATA.class_names, machine="here")
    return {gate.name: gate for gate in judged}


def test_each_label_has_its_average_precision_beside_the_labels_that_are_given() -> None:
    from sklearn.metrics import average_precision_score, f1_score, precision_score

    found = TASK.class_results(Outputs.one(GOOD), LABELS, 3)
    given = TASK.given(Outputs.one(GOOD))
    columns = zip(*((each.score, each.f1, each.precision) for each in found.classes), strict=True)
    wanted = (
        average_precision_score(LABELS, GOOD, average=None),
        f1_score(LABELS, given, average=None),
        precision_score(LABELS, given, average=None),
    )
    for own, other in zip(columns, wanted, strict=True):
        np.testing.assert_allclose(own, other)
    assert (found.metric, found.wrong_cells, found.confusion) == ("AP", None, ())
    without = TASK.class_results(Outputs.one(GOOD), LABELS * np.uint8([1, 0, 1]), 3).classes[1]
    assert (without.score, without.sensitivity, without.precision) == (None, None, 0)


@pytest.mark.parametrize("answers", [[(3,)], ((3,),)], ids=["list", "tuple"])
def test_a_number_for_each_label_is_of_this_task(answers: Any) -> None:
    labels = together({"classes": LABELS})
    split = replace(DATA.test, labels=labels)
    data = replace(DATA, train=split, calibration=split, validation=split, test=split)
    assert Multilabel.fits(data, answers, "numbers")
    assert choose_task(data, answers, "numbers", "m.tflite")[0].name == "multilabel"


def test_average_precision_is_that_of_scikit_learn_also_with_equal_probabilities() -> None:
    from sklearn.metrics import average_precision_score

    values, wanted = np.round(RANDOM.random((80, 4)), 1), RANDOM.random((80, 4)) < 0.3
    rows = RANDOM.integers(0, 80, 80)
    found = mean_average_precision(values.astype("f4"), wanted)
    assert found(np.arange(80)) == pytest.approx(average_precision_score(wanted, values))
    assert found(rows) == pytest.approx(average_precision_score(wanted[rows], values[rows]))


def test_a_label_that_no_image_has_is_left_out() -> None:
    wanted = np.array([[True, False], [False, False]])
    assert mean_average_precision(np.array([[0.9, 0.1], [0.2, 0.3]], "f4"), wanted)(
        np.arange(2)
    ) == pytest.approx(1)


def test_figures_at_the_threshold() -> None:
    outputs = Outputs.one(np.array([[0.9, 0.6, 0.1], [0.4, 0.9, 0.2]], "f4"))
    wanted = np.array([[1, 0, 0], [0, 1, 0]], np.uint8)
    figures = {each.name: each.of(outputs, wanted) for each in TASK.metrics}
    assert figures["F1"] == pytest.approx(0.8)
    assert figures["exact match"] == 0.5
    assert TASK.score_per_image(outputs, wanted).tolist() == [0.5, 1.0]
    assert Multilabel(threshold=0.7).metrics[2].of(outputs, wanted) == 1.0


def test_one_class_an_image_counts_as_one_label() -> None:
    plain = with_targets(
        Dataset("marks", ("bright", "dark"), SPLIT, SPLIT, SPLIT, SPLIT), "class", "test"
    )
    labels = TASK.of_task(plain).test.labels
    assert labels.sum(axis=1).tolist() == [1] * 300
    assert np.array_equal(labels.argmax(axis=1), plain.test.labels)


def test_labels_in_the_order_of_the_outputs() -> None:
    moved = TASK.fit_data(DATA, 3, ("dark", "wide", "high"), "m.keras")
    assert moved.class_names == ("dark", "wide", "high")
    assert np.array_equal(moved.test.labels, LABELS[:, [2, 0, 1]])
    with pytest.raises(InputError, match="gives 4 numbers for an image"):
        TASK.fit_data(DATA, 4, None, "m.keras")
    without = replace(DATA, class_names=(), has_labels=False)
    assert TASK.fit_data(without, 2, ("b", "a"), "m.keras").class_names == ("b", "a")


def test_labels_in_another_order_are_another_split() -> None:
    """A model that was trained on them in one order was taken from the store for the other."""
    moved = TASK.fit_data(DATA, 3, ("dark", "wide", "high"), "model.keras")
    assert moved.train.sha256 != DATA.train.sha256
    assert TASK.fit_data(DATA, 3, DATA.class_names, "model.keras").train.sha256 == SPLIT.sha256


def test_logits_get_a_sigmoid() -> None:
    outputs, notes = TASK.normalized(Outputs.one(np.array([[-3.0, 4.0, 0.0]], "f4")), {})
    assert outputs.only[0, 2] == 0.5
    assert "sigmoid" in notes[0]


def test_an_honest_file_passes() -> None:
    noisy = np.clip(GOOD + RANDOM.normal(0, 0.01, GOOD.shape), 0, 1).astype("f4")
    found = gates(noisy)
    assert {gate.outcome for gate in found.values()} == {"passed"}


FAULTS = {
    "two labels are swapped": GOOD[:, [1, 0, 2]],
    "one label is turned": np.stack([GOOD[:, 0], 1 - GOOD[:, 1], GOOD[:, 2]], axis=1),
    "one label is lost": GOOD * np.array([1, 1, 0], "f4"),
    "the probabilities of a label are halved": GOOD * np.array([0.5, 1, 1], "f4"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_default_limits_catch(fault: str) -> None:
    failed = [name for name, gate in gates(FAULTS[fault]).items() if gate.outcome == "failed"]
    assert failed


def test_rare_labels_that_are_never_given_any_more_fail() -> None:
    rare = (RANDOM.random((300, 3)) < 0.1).astype(np.uint8)
    good = np.clip(0.8 * rare + RANDOM.uniform(0, 0.1, rare.shape), 0, 1).astype("f4")
    drop, worst = (
        gates(0.5 * good, good, rare)[f"max_{each}drop_points"] for each in ("", "class_")
    )
    assert drop.outcome == "passed", "their order is the same, and so is the mAP"
    assert (worst.outcome, worst.observed) == ("failed", 100.0)


def test_labels_that_are_guessed_prove_nothing() -> None:
    guessed = Outputs.one(RANDOM.random(LABELS.shape).astype("f4"))
    proof = TASK.proof(guessed, LABELS)
    assert not proof.holds
    assert "nothing was proven" in proof.reason
    assert TASK.proof(Outputs.one(GOOD), LABELS).holds
    assert not TASK.proof(Outputs.one(np.full((300, 3), 0.9, "f4")), None).holds
