"""Runs of the tasks with targets of their own: trained, compressed, exported and judged."""

from typing import Any

import pytest
from marks import recipe

from edgecv.core.registry import TASKS
from edgecv.core.report import Report
from edgecv.pipeline.run import run
from edgecv.reports.json_file import read_report
from edgecv.system.storage import Store

pytestmark = pytest.mark.usefixtures("marks_registered")

TUNING = {"epochs": 2, "minimum_steps": 0, "batch": 32, "learning_rate": 0.002}
SHRINK = {"technique": "shrink", "keep": 0.7, "multiple": 4, "ranking": "taylor",
          "training": TUNING, "distil": {}}  # fmt: skip
QAT = {"technique": "qat", "training": TUNING}
LIMITS = {"keypoints": 35.0, "labels": 8.0}
"""Points that a file may lose. Each seed gives another loss of keypoints, of 5 to 19 points; the
mean of the training points, or points in another order, would lose 55 and more."""
LEAST_PCK = 0.8
"""Keypoints of an original that has learned: it is 0.85 to 0.92, and 0.1 to 0.3 without."""
SETTINGS: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "keypoints": ({"task": "regression", "kind": "keypoints", "swap": [[0, 1]]}, [SHRINK, QAT]),
    "labels": ({"task": "multilabel"}, [QAT]),
}


@pytest.fixture(scope="module", params=SETTINGS)
def report(request: Any, tmp_path_factory: pytest.TempPathFactory) -> Report:
    table, techniques = SETTINGS[request.param]
    store = Store(tmp_path_factory.mktemp(request.param))
    limit = LIMITS[request.param]
    made = recipe(TASKS.parse(table, "test"), *techniques, max_drop_points=limit)
    run(made.replace(settings=made.settings.model_copy(update={"control": "off"})), store)
    return read_report(store.run_folder("marks"))


def test_a_run_learns_compresses_and_judges(report: Report) -> None:
    gates = {gate.name: gate.outcome for gate in report.gates}
    assert gates["proof"] == gates["conversion_difference"] == "passed"
    assert {gate.outcome for gate in report.gates if gate.name == "max_drop_points"} == {"passed"}
    for each in report.comparisons:
        assert each.statistics is not None
        assert each.statistics.scores is not None
        assert each.further_metrics
    assert report.baseline is not None
    value = report.baseline.value
    assert value is not None
    assert value > {"PCK": LEAST_PCK}.get(report.baseline.metric, 0.9)


def test_files_give_the_unit_of_the_targets(report: Report) -> None:
    """Mean and scale are part of the last dense layer: no operator comes after it."""
    for each in report.comparisons:
        names = [layer.name for layer in each.artifact.layers]
        assert names[-1] in ("scaled_numbers", "logits")


def test_labels_stand_one_by_one_in_a_report_and_its_page(report: Report) -> None:
    """Of the original and of each candidate; numbers have no classes."""
    from edgecv.reports.markdown import to_markdown
    from edgecv.reports.page.classes import class_parts

    assert bool(report.results) == (report.recipe["task"]["task"] == "multilabel")
    for each, part in zip(report.results, class_parts(report), strict=True):
        scores = [one.score for one in each.results.classes]
        value = report.baseline.value if report.baseline and each is report.results[0] else None
        assert value is None or sum(filter(None, scores)) / len(scores) == pytest.approx(value)
        assert part.table.headings == ("class", "precision", "recall", "AP", "F1")
        assert (part.names, part.table.below) == ((), "")
        assert f"### {each.path}" in to_markdown(report)
    assert "confusion.png" not in to_markdown(report)


def test_a_text_has_the_words_of_the_task(report: Report) -> None:
    from edgecv.reports.markdown import to_markdown

    text = to_markdown(report)
    assert "Wilcoxon's signed-rank test" in text
    assert f"no worse than {report.recipe['gates']['max_drop_points']:g} points (95%): " in text
    assert "accuracy" not in text
