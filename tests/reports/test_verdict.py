"""What a verdict claims, and what it says that it does not prove."""

from dataclasses import replace

import pytest
from small_report import COMPARISON, REPORT, STATISTICS

from edgecv.core.paired_results import GroupDifference, PairedAccuracy
from edgecv.core.report import Deployment, Gate, Outcome, Report
from edgecv.evaluation.task_of import task_of
from edgecv.reports.gate_text import gate_sentence
from edgecv.reports.page.build import to_page
from edgecv.reports.ratio_text import speed_beside_twin
from edgecv.reports.run_table import run_tables
from edgecv.reports.verdict import verdict_line

pytestmark = pytest.mark.quick

SENTENCE = (
    "Not proven: 10 images cannot rule out that int8.tflite loses 2.17 points (95% interval);"
    " --max-drop 2 --drop-on bound asks for the proof"
)


def passed(low: float, limit: float = 2.0, name: str = "max_drop_points") -> Report:
    """Return a run that passed with an interval that begins at ``low`` points."""
    assert isinstance(STATISTICS.accuracy, PairedAccuracy)
    accuracy = replace(STATISTICS.accuracy, difference_points=1.88, interval_points=(low, 6.0))
    statistics = replace(STATISTICS, accuracy=accuracy, scores=None)
    comparison = replace(COMPARISON, difference_points=1.88, statistics=statistics)
    gates = (Gate(name, "int8.tflite", limit, -1.88, "passed"),)
    return replace(REPORT, outcome="passed", comparisons=(comparison,), gates=gates)


def test_a_loss_that_few_images_cannot_rule_out_is_said() -> None:
    report = passed(-2.17)
    assert SENTENCE in verdict_line(report)
    assert "the files may be shipped" not in to_page(report)
    assert "too few to prove it: test more before shipping" in to_page(report)


@pytest.mark.parametrize(
    "report",
    [passed(-1.9), passed(-2.17, limit=3.0), passed(-2.17, name="min_speedup")],
    ids=["proven", "larger limit", "no limit on the drop"],
)
def test_what_is_proven_or_not_asked_for_is_not_doubted(report: Report) -> None:
    assert "Not proven" not in verdict_line(report)
    assert "the files may be shipped" in to_page(report)


def test_a_class_that_is_lost_stands_in_the_verdict() -> None:
    group = GroupDifference(1, 100, 2, 18, -16.0, 0.0005, 0.0026, True)
    report = passed(-1.9)
    comparison = report.comparisons[0]
    assert comparison.statistics is not None
    chance = replace(group, is_significant=False)
    other_way = replace(group, wins=18, losses=2)
    for lost in (group, chance, other_way):
        classes = (lost,)
        statistics = replace(comparison.statistics, classes=classes)
        changed = replace(report, comparisons=(replace(comparison, statistics=statistics),))
        sentence = "int8.tflite: b -16.00 points (corrected p = 0.0026)"
        assert (sentence in verdict_line(changed)) == (lost is group)


def test_folders_that_are_no_classes_stand_in_the_verdict() -> None:
    note = "training was not taken for classes: for accuracy, put class folders under test/"
    data = replace(REPORT.data, notes=(note, "another"), has_labels=False)
    line = verdict_line(replace(passed(-1.9), data=data))
    assert note in line
    assert "another" not in line


def test_other_kernels_stand_beside_the_runtime() -> None:
    deployment = Deployment("c", "int8.tflite", "C99", 10, 10, 10, 0.0, kernels="builtin")
    rows = [
        next(iter(run_tables(replace(REPORT, **changed)))).rows[-1][1]
        for changed in (
            {},
            {"recipe": {**REPORT.recipe, "kernels": "reference"}},
            {"deployment": deployment},
        )
    ]
    assert rows == ["litert", "litert, reference kernels", "litert, builtin kernels"]


def test_a_speed_up_says_what_is_compared_where_it_is_not_the_usual() -> None:
    builtin = replace(REPORT, recipe={**REPORT.recipe, "kernels": "builtin"})
    onnx = replace(COMPARISON, runtime="onnxruntime")
    deployed = replace(REPORT, deployment=Deployment("c", "x", "C99", 10, 10, 10, 0.0, "builtin"))
    twin = "than its float32 twin"
    assert speed_beside_twin(COMPARISON, 2.5, REPORT) == "2.5 times faster"
    assert speed_beside_twin(COMPARISON, 2.5, builtin) == (
        f"2.5 times faster {twin}, both by LiteRT's builtin kernels"
    )
    assert speed_beside_twin(onnx, 0.5, builtin) == "2.0 times slower"
    assert speed_beside_twin(COMPARISON, 0.9, deployed) == (
        f"1.1 times slower {twin}, both by LiteRT's builtin kernels on this machine:"
        " a device has other times"
    )
    wide = replace(COMPARISON, speedup_interval=(0.03, 7.5))
    assert speed_beside_twin(wide, 0.44, REPORT) == "its speed is not distinguishable"
    assert speed_beside_twin(wide, 0.44, builtin).startswith(
        "its speed is not distinguishable from that of its float32 twin, both by"
    )
    near = replace(COMPARISON, speedup_interval=(1.02, 1.31))
    assert speed_beside_twin(near, 1.15, REPORT) == "its speed may be within 3%"
    assert speed_beside_twin(near, 1.15, builtin).startswith(
        "its speed may be within 3% of that of its float32 twin, both by"
    )
    shown = replace(near, speedup=1.15)
    (table,) = run_tables(replace(REPORT, comparisons=(shown,)))
    assert table.rows[-1][-1] == "1.15 (1.02 to 1.31), may be within 3%"
    assert speed_beside_twin(onnx, 1.0, deployed).startswith("as fast as its float32 twin on this")


@pytest.mark.parametrize(
    ("observed", "outcome", "shown"),
    [(2.004, "failed", "2.004, limit 2"), (1.996, "passed", "2, limit 2"), (3.0, "failed", "3, ")],
)
def test_a_missed_limit_is_told_from_what_was_observed(
    observed: float, outcome: Outcome, shown: str
) -> None:
    gate = Gate("max_drop_points", "int8.tflite", 2.0, observed, outcome)
    assert f"points lost {shown}" in gate_sentence(gate, task_of(REPORT))


def test_a_loss_below_zero_is_called_a_gain() -> None:
    gate = Gate("max_drop_points_bound", "int8.tflite", 2.0, -4.14, "passed")
    assert gate_sentence(gate, task_of(REPORT)).endswith(
        "points gained at the worse end of the 95% interval 4.14, limit 2 lost"
    )
