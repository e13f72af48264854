"""Limits that hold where none is given: they fail what chance does not explain, and no more."""

from typing import Any

import numpy as np
import pytest

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.data import Outputs
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.paired_results import NoWorse
from edgecv.core.report import Gate
from edgecv.evaluation.comparison import compare
from edgecv.evaluation.gates import cannot_tell, exit_code, proof_gates
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limit_options import LimitOptions
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.tasks.classification import Classification
from edgecv.evaluation.tasks.segmentation import Segmentation

pytestmark = pytest.mark.quick

TASK = Classification()
TENSOR = TensorFacts("image", (1, 32, 32, 3), "uint8")
FACTS = SessionFacts(TENSOR, (TENSOR,), ((10,),), (32, 32, 3))
FILE = Artifact("int8.tflite", "tflite", "int8", 35_000, 30_000, "0" * 64)
CLASSES = tuple("abcdefghij")
Answers = np.ndarray[Any, Any]


def outputs(answers: Answers) -> Outputs:
    return Outputs.one(np.eye(10, dtype=np.float32)[answers])


def compared(before: Answers, after: Answers, labels: Answers | None) -> Comparison:
    measured = Measurement(FILE, "litert", outputs(after), FACTS)
    return compare(measured, None, outputs(before), labels, TASK, 1)


def gates(comparison: Comparison, **given: Any) -> dict[str, Gate]:
    limits = Limits(**given).with_defaults()
    found = judge_limits(comparison, limits, classes=CLASSES, machine="here")
    return {gate.name: gate for gate in found}


def lost(images: int, losses: int) -> Comparison:
    """Return a comparison with a perfect baseline: losses one a class, in turn."""
    labels = np.arange(images) % 10
    after = labels.copy()
    after[:losses] = (after[:losses] + 1) % 10
    return compared(labels, after, labels)


@pytest.mark.parametrize(
    ("images", "losses", "outcome"),
    [
        (5000, 0, "passed"),
        (5000, 100, "passed"),
        (5000, 101, "inconclusive"),
        (5000, 150, "failed"),
        (50, 1, "passed"),
        (50, 2, "inconclusive"),
        (50, 9, "failed"),
    ],
)
def test_an_accuracy_may_fall_by_two_points(images: int, losses: int, outcome: str) -> None:
    gate = gates(lost(images, losses))["max_drop_points"]
    assert (gate.outcome, gate.limit) == (outcome, 2.0)
    assert (f"cannot tell with {images:,} images" in gate.reason) is (outcome == "inconclusive")


def test_a_given_limit_is_held_to_the_point_as_before() -> None:
    gate = gates(lost(50, 2), max_drop_points=2.0)["max_drop_points"]
    # Beside the statistics of the file, which cannot tell, the verdict says which of both decides.
    assert gate.outcome == "failed"
    text = "the drop as measured decides; its 95% interval cannot tell with 50 images, needs about "
    assert gate.reason.startswith(text)
    assert not gates(lost(5000, 150), max_drop_points=2.0)["max_drop_points"].reason
    assert not gates(lost(50, 1), max_drop_points=2.0)["max_drop_points"].reason
    assert gates(lost(50, 0), max_drop_points="default", drop_on="bound") == pytest.approx(
        gates(lost(50, 0), max_drop_points=2.0, drop_on="bound")
    )


def test_a_class_that_is_lost_fails_and_one_that_chance_explains_passes() -> None:
    labels = np.repeat(np.arange(10), 100)
    after = labels.copy()
    after[:21] = 1
    gate = gates(compared(labels, after, labels))["max_class_drop_points"]
    assert (gate.outcome, gate.observed) == ("failed", 21.0)
    few = np.repeat(np.arange(10), 5)
    after = few.copy()
    after[:2] = 1
    gate = gates(compared(few, after, few))["max_class_drop_points"]
    assert (gate.outcome, gate.observed) == ("passed", 40.0)
    assert "not distinguishable from chance" in gate.reason
    given = gates(compared(few, after, few), max_class_drop_points=20.0)
    assert given["max_class_drop_points"].outcome == "inconclusive"


def test_one_image_proves_no_drop_of_a_real_score() -> None:
    """It failed, where a classifier with one wrong answer of one is inconclusive."""
    masks = np.zeros((1, 16, 16), np.uint8)
    masks[:, 4:12, 4:12] = 1
    bad = masks.copy()
    bad[:, 4:6] = 0
    after, before = (Outputs.one(np.eye(2, dtype=np.float32)[each]) for each in (bad, masks))
    measured = Measurement(FILE, "litert", after, FACTS)
    comparison = compare(measured, None, before, masks, Segmentation(), 1)
    default = gates(comparison)["max_drop_points"]
    assert (default.outcome, default.reason) == ("inconclusive", "cannot tell with 1 image")
    bound = gates(comparison, max_drop_points=2.0, drop_on="bound")["max_drop_points_bound"]
    assert (bound.outcome, bound.reason) == ("inconclusive", "cannot tell with 1 image")
    assert gates(comparison, max_drop_points=2.0)["max_drop_points"].outcome == "failed"


def test_one_large_object_is_no_certain_loss_of_a_class_that_got_better_elsewhere() -> None:
    masks = np.zeros((41, 32, 32), np.uint8)
    masks[:40, :4, :4] = masks[40] = 1
    before, after = masks.copy(), masks.copy()
    before[:40, 0, 0] = after[40, 4:] = 0
    maps = [Outputs.one(np.eye(2, dtype=np.float32)[each]) for each in (after, before)]
    measured = Measurement(FILE, "litert", maps[0], FACTS)
    found = gates(compare(measured, None, maps[1], masks, Segmentation(), 1))
    assert {each.outcome for each in found.values()} == {"inconclusive"}
    reason = found["max_class_drop_points"].reason
    assert "better on 40 images and worse on 1: cannot tell" in reason


@pytest.mark.parametrize(
    ("images", "changed", "outcome"),
    [(1000, 100, "passed"), (1000, 101, "inconclusive"), (1000, 130, "failed"),
     (20, 2, "passed"), (20, 3, "inconclusive"), (20, 8, "failed"), (450, 239, "failed")],
)  # fmt: skip
def test_without_labels_nine_answers_of_ten_are_the_baselines(
    images: int, changed: int, outcome: str
) -> None:
    before = np.arange(images) % 10
    after = before.copy()
    after[:changed] = (after[:changed] + 1) % 10
    found = gates(compared(before, after, None))
    assert set(found) == {"min_agreement"}
    assert found["min_agreement"].outcome == outcome


def test_with_labels_the_metric_judges_and_not_the_agreement() -> None:
    labels = np.arange(1000) % 10
    before, after = labels.copy(), labels.copy()
    before[:200] = (before[:200] + 1) % 10
    after[200:400] = (after[200:400] + 1) % 10
    found = gates(compared(before, after, labels))
    assert set(found) == {"max_drop_points", "max_class_drop_points"}
    assert {gate.outcome for gate in found.values()} == {"passed"}


def test_a_limit_is_switched_off_by_name() -> None:
    worse = lost(5000, 2500)
    words = {"max_drop_points": "none", "max_class_drop_points": "none"}
    assert gates(worse, **words) == {}
    for given in ({"max_drop": "none"}, {"max_drop": "NONE"}, {"max_drop": None}):
        limits = LimitOptions(**given).changed(Limits(max_drop_points=1.0, drop_on="bound"))
        assert limits == Limits(max_drop_points="none")
    assert LimitOptions().changed(Limits()) == Limits()
    assert LimitOptions(max_size="none").changed(Limits(max_bytes=9000)) == Limits()
    assert LimitOptions(max_drop="default").changed(Limits(max_drop_points=9.0)) == Limits(
        max_drop_points="default"
    )


def test_a_wrong_word_names_the_key_alone() -> None:
    with pytest.raises(InputError) as caught:
        parse_options(Limits, {"max_drop_points": "never"}, "[gates]")
    assert '"max_drop_points" is' in str(caught.value)
    with pytest.raises(InputError, match="none to switch it off"):
        LimitOptions(max_drop="never").changed(Limits())
    with pytest.raises(InputError, match="drop_on is for a limit"):
        parse_options(Limits, {"max_drop_points": "none", "drop_on": "bound"}, "[gates]")


def proof(answers: Answers, labels: Answers | None) -> Gate:
    (gate,) = proof_gates("baseline.keras", outputs(answers), labels, TASK)
    return gate


LABELS = np.arange(1000) % 10
RANDOM = np.random.default_rng(0).integers(0, 10, 1000)


def right_on(fraction: float, labels: Answers, seed: int = 0) -> Answers:
    """Return answers that are right on a fraction of the images, wrong at random elsewhere."""
    random = np.random.default_rng(seed)
    count = round(len(labels) * fraction)
    places = random.permutation(len(labels))[count:]
    answers = labels.copy()
    classes = int(labels.max()) + 1
    answers[places] = (answers[places] + random.integers(1, classes, len(places))) % classes
    return answers


RARE = (np.arange(1000) >= 980).astype(np.int64)
NO_PROOF = [
    ("guesses", RANDOM, LABELS, "guessing on 10.0%"),
    ("one class", np.zeros(1000, np.int64), LABELS, "one answer to 100.0%"),
    ("hardly better", right_on(0.14, LABELS), LABELS, "guessing on 10"),
    ("two classes at 53%", right_on(0.53, LABELS % 2), LABELS % 2, "guessing on 50"),
    ("the commonest class alone", np.zeros(1000, np.int64), RARE, "guessing on 98.0%"),
    ("13 of 20", right_on(0.65, LABELS[:20] % 2), LABELS[:20] % 2, "may be chance with 20 images"),
    ("no labels", np.zeros(1000, np.int64), None, "one answer to 100.0%"),
    ("no labels, nearly", np.where(np.arange(1000) < 960, 3, 4), None, "one answer to 96.0%"),
]


@pytest.mark.parametrize(("name", "answers", "labels", "text"), NO_PROOF)
def test_a_baseline_that_proves_nothing_is_inconclusive(
    name: str, answers: Answers, labels: Answers | None, text: str
) -> None:
    gate = proof(answers, labels)
    assert gate.outcome == "inconclusive"
    assert exit_code([gate]) == 4
    assert text in gate.reason
    assert "nothing was proven" in gate.reason


ANOMALIES = RARE.copy()
ANOMALIES[:10] = 1
PROVEN = [
    ("a weak one", right_on(0.2, LABELS), LABELS),
    ("50 images", right_on(0.6, LABELS[:50]), LABELS[:50]),
    ("rare anomalies, most of them found", ANOMALIES, RARE),
    ("two classes", right_on(0.6, LABELS % 2), LABELS % 2),
    ("no labels", RANDOM, None),
    ("no labels, one class is common", np.where(np.arange(1000) < 900, 3, 4), None),
]


@pytest.mark.parametrize(("name", "answers", "labels"), PROVEN)
def test_a_baseline_that_knows_something_is_a_reference(
    name: str, answers: Answers, labels: Answers | None
) -> None:
    assert proof(answers, labels).outcome == "passed"


@pytest.mark.parametrize(
    ("given", "margin"),
    [({}, 2.0), ({"max_drop_points": 0.5}, 0.5), ({"max_drop_points": "none"}, 1)],
)
def test_no_worse_is_asked_about_the_limit_that_holds(given: Any, margin: float) -> None:
    assert Limits(**given).margin_points == Limits(**given).with_defaults().margin_points == margin


def test_nobody_is_told_to_collect_a_million_images() -> None:
    assert cannot_tell(NoWorse(2.0, "cannot tell", 940_000), 320).endswith(
        "320 images: the difference is too near to the limit"
    )
