"""Every limit just below, at and above what was seen, and its three answers."""

from dataclasses import replace
from typing import Any

import pytest

from edgecv.core.artifact import Artifact, TensorFacts
from edgecv.core.comparison import Comparison, ControlComparison, Latency
from edgecv.core.paired_results import Calibration, Flips, GroupDifference, PairedStatistics
from edgecv.core.report import Gate
from edgecv.evaluation.gates import exit_code
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.statistics.binary_scores import difference_interval, no_worse

pytestmark = pytest.mark.quick

IMAGES, WINS, LOSSES = 5000, 40, 70
LOW, HIGH = (100 * end for end in difference_interval(WINS, LOSSES, IMAGES))
CLASSES = ("cat", "dog")
TENSOR = TensorFacts("image", (1, 32, 32, 3), "uint8")
CAT = GroupDifference(0, 500, 2, 12, -2.0, 0.01, 0.02, is_significant=True)
DOG = GroupDifference(1, 500, 2, 17, -3.0, 0.06, 0.06, is_significant=False)


def statistics(*classes: GroupDifference) -> PairedStatistics:
    from edgecv.core.paired_results import PairedAccuracy

    accuracy = PairedAccuracy(
        IMAGES, 3700, WINS, LOSSES, 1190, 0.01, -0.6, (LOW, HIGH),
        no_worse(WINS, LOSSES, IMAGES, 1.0),
    )  # fmt: skip
    return PairedStatistics(
        flips=Flips(120, 0.024), accuracy=accuracy, classes=classes,
        calibration=Calibration(0.02, 0.05),
    )  # fmt: skip


SEEN = Comparison(
    artifact=Artifact("int8.tflite", "tflite", "int8", 35_000, 30_000, "0" * 64),
    runtime="litert",
    is_twin=False,
    metric="accuracy",
    value=0.744,
    baseline_value=0.75,
    difference_points=-0.6,
    agreement=0.976,
    max_probability_difference=0.25,
    size_ratio=4.0,
    speedup=2.0,
    speedup_interval=(1.8, 2.2),
    latency=Latency(100.0, 120.0, 1, 1000),
    input=TENSOR,
    output=TENSOR,
    statistics=statistics(CAT),
)


def judged(comparison: Comparison = SEEN, **limits: Any) -> Gate:
    (gate,) = judge_limits(comparison, Limits(**limits), classes=CLASSES, machine="here")
    return gate


AT_MOST = [
    ("max_drop_points", 0.6),
    ("max_flips", 120),
    ("max_flips", 0.024),
    ("max_calibration_error_rise", 0.03),
    ("max_probability_difference", 0.25),
    ("max_bytes", 35_000),
    ("max_gzip_bytes", 30_000),
]


@pytest.mark.parametrize(("limit", "seen"), AT_MOST)
def test_a_limit_from_above(limit: str, seen: float) -> None:
    step = 1 if isinstance(seen, int) else seen / 100
    assert judged(**{limit: seen + step}).outcome == "passed"
    assert judged(**{limit: seen}).outcome == "passed"
    assert judged(**{limit: seen - step}).outcome == "failed"
    assert judged(**{limit: seen}).observed == pytest.approx(seen)


CASES = [
    ({"min_agreement": 0.97}, "passed"),
    ({"min_agreement": 0.976}, "passed"),
    ({"min_agreement": 0.98}, "failed"),
    ({"max_drop_points": -LOW + 0.001, "drop_on": "bound"}, "passed"),
    ({"max_drop_points": -LOW - 0.001, "drop_on": "bound"}, "inconclusive"),
    ({"max_drop_points": -HIGH + 0.001, "drop_on": "bound"}, "inconclusive"),
    ({"max_drop_points": -HIGH - 0.001, "drop_on": "bound"}, "failed"),
    ({"max_drop_points": 0.6, "drop_on": "point"}, "passed"),
    ({"max_class_drop_points": 2.5}, "passed"),
    ({"max_class_drop_points": 2.0}, "passed"),
    ({"max_class_drop_points": 1.5}, "failed"),
    ({"min_speedup": 1.8}, "passed"),
    ({"min_speedup": 1.9}, "inconclusive"),
    ({"min_speedup": 2.2}, "inconclusive"),
    ({"min_speedup": 2.3}, "failed"),
    ({"max_latency_us": 110.0}, "passed"),
    ({"max_latency_us": 100.0}, "passed"),
    ({"max_latency_us": 95.0}, "inconclusive"),
    ({"max_latency_us": 80.0}, "failed"),
    ({"max_latency_us": 80.0, "latency_machine": "here"}, "failed"),
    ({"max_latency_us": 80.0, "latency_machine": "there"}, "inconclusive"),
    ({"max_latency_us": 900.0, "latency_machine": "there"}, "inconclusive"),
]


@pytest.mark.parametrize(("limits", "outcome"), CASES)
def test_three_answers(limits: dict[str, Any], outcome: str) -> None:
    gate = judged(**limits)
    assert gate.outcome == outcome
    assert exit_code([gate]) == {"passed": 0, "failed": 1, "inconclusive": 4}[outcome]
    assert bool(gate.reason) or outcome != "inconclusive" or gate.name == "max_latency_us"


def test_a_class_whose_images_say_the_opposite_of_its_points_is_inconclusive() -> None:
    cat = replace(CAT, wins=40, losses=1, difference_points=-51.4)
    gate = judged(replace(SEEN, statistics=statistics(cat, DOG)), max_class_drop_points=20.0)
    assert (gate.outcome, gate.observed) == ("inconclusive", 51.4)
    assert "cat, 500 images, better on 40 images and worse on 1: cannot tell" in gate.reason
    given = judged(replace(SEEN, statistics=statistics(cat, DOG)), max_class_drop_points=1.0)
    assert given.reason == gate.reason


def test_the_name_of_a_gate_says_what_was_held() -> None:
    assert judged(max_drop_points=1.0).name == "max_drop_points"
    assert judged(max_drop_points=1.0, drop_on="bound").name == "max_drop_points_bound"
    assert judged(max_flips=1).name == "max_flips"
    assert judged(max_flips=0.5).name == "max_flip_fraction"


def test_the_bound_says_how_many_images_would_tell() -> None:
    reason = judged(max_drop_points=0.7, drop_on="bound").reason
    assert "cannot tell with 5,000 images, needs about" in reason


def test_a_class_that_chance_explains_is_inconclusive_and_named() -> None:
    gate = judged(replace(SEEN, statistics=statistics(DOG)), max_class_drop_points=1.0)
    assert (gate.outcome, gate.observed) == ("inconclusive", 3.0)
    assert "dog" in gate.reason
    assert "not distinguishable from chance" in gate.reason


def test_a_certain_loss_fails_behind_a_worse_one_that_chance_explains() -> None:
    gate = judged(replace(SEEN, statistics=statistics(DOG, CAT)), max_class_drop_points=1.0)
    assert (gate.outcome, gate.observed) == ("failed", 2.0)
    assert "cat" in gate.reason


OF_A_BASELINE = [
    {"max_drop_points": 1.0},
    {"max_drop_points": 1.0, "drop_on": "bound"},
    {"min_agreement": 0.5},
    {"max_flips": 1000},
    {"max_class_drop_points": 50.0},
    {"max_calibration_error_rise": 0.5},
    {"max_probability_difference": 1.0},
]


@pytest.mark.parametrize("limits", OF_A_BASELINE)
def test_without_a_baseline_nothing_is_passed(limits: dict[str, Any]) -> None:
    alone = replace(
        SEEN, baseline_value=None, difference_points=None, agreement=None,
        max_probability_difference=None, statistics=None,
    )  # fmt: skip
    gate = judged(alone, **limits)
    assert (gate.outcome, gate.observed) == ("inconclusive", None)
    assert "no baseline" in gate.reason


def test_without_labels_what_needs_them_is_not_passed() -> None:
    unlabelled = replace(SEEN, value=None, statistics=PairedStatistics(Flips(120, 0.024)))
    for limits in ({"max_class_drop_points": 50.0}, {"max_calibration_error_rise": 0.5}):
        assert judged(unlabelled, **limits).reason == "the images have no labels"
    assert judged(unlabelled, max_flips=120).outcome == "passed"


def test_without_a_twin_no_speedup_is_known() -> None:
    alone = replace(SEEN, speedup=None, speedup_interval=None)
    assert judged(alone, min_speedup=1.0).outcome == "inconclusive"


def test_all_limits_at_once_give_a_gate_each() -> None:
    limits = Limits(max_drop_points=1.0, min_agreement=0.5, max_flips=500, max_bytes=99_000)
    gates = judge_limits(SEEN, limits, classes=CLASSES, machine="here")
    names = [gate.name for gate in gates]
    assert names == ["max_drop_points", "min_agreement", "max_flips", "max_bytes"]


def test_limits_on_quality_are_held_against_the_better_of_baseline_and_control() -> None:
    beside = ControlComparison(0.77, -2.6, statistics(DOG), decides=True)
    seen = replace(SEEN, control=beside)
    lost = judged(seen, max_drop_points=2.0)
    assert (lost.observed, lost.outcome, lost.against) == (2.6, "failed", "control")
    worst = judged(seen, max_class_drop_points=2.5)
    assert (worst.observed, worst.against) == (3.0, "control")
    assert "dog" in worst.reason
    for limit in ({"max_flips": 120}, {"min_agreement": 0.9}, {"max_bytes": 35_000}):
        assert judged(seen, **limit) == judged(SEEN, **limit)
    worse = replace(SEEN, control=replace(beside, decides=False))
    assert judged(worse, max_drop_points=2.0) == judged(SEEN, max_drop_points=2.0)
