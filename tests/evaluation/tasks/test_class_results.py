"""What a classifier has learned, by class: tables and pictures of a report."""

from pathlib import Path

import numpy as np
import pytest

from edgecv.core.class_results import ModelResults
from edgecv.core.data import Outputs
from edgecv.core.report import DataFacts, Report
from edgecv.core.text import counted
from edgecv.evaluation.class_cells import MOST_CELLS
from edgecv.evaluation.tasks.classification import Classification
from edgecv.evaluation.tasks.classification.class_results import class_results
from edgecv.reports.class_results import (
    MOST_ROWS,
    class_table,
    left_out_text,
    write_confusion,
    write_reliability,
)
from edgecv.reports.json_file import read_report, to_table


def answers(images: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    labels = random.integers(0, classes, images)
    raw = random.random((images, classes)) ** 3
    raw[np.arange(images), labels] += 0.4
    return (raw / raw.sum(axis=1, keepdims=True)).astype(np.float32), labels


def test_precision_recall_and_confusion_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import confusion_matrix, precision_score, recall_score

    predictions, labels = answers(500, 7)
    found = class_results(predictions, labels)
    given = predictions.argmax(axis=1)
    assert [each.precision for each in found.classes] == pytest.approx(
        precision_score(labels, given, average=None)
    )
    assert [each.sensitivity for each in found.classes] == pytest.approx(
        recall_score(labels, given, average=None)
    )
    matrix = confusion_matrix(labels, given)
    np.fill_diagonal(matrix, 0)
    assert found.wrong_cells == np.count_nonzero(matrix) == len(found.confusion)
    assert all(matrix[each.label, each.answer] == each.images for each in found.confusion)
    counts = [each.images for each in found.confusion]
    assert counts == sorted(counts, reverse=True)


def test_the_bins_of_the_calibration_curve_sum_to_the_calibration_error() -> None:
    predictions, labels = answers(400, 3)
    found = class_results(predictions, labels)
    gaps = [abs(each.accuracy - each.confidence) * each.images for each in found.reliability]
    assert sum(each.images for each in found.reliability) == 400
    assert sum(gaps) / 400 == pytest.approx(found.calibration_error)


def test_a_class_without_images_or_answers_has_no_figure() -> None:
    predictions = np.eye(3, dtype=np.float32)[[0, 0, 1]]
    found = class_results(predictions, np.array([0, 0, 0]))
    assert [each.precision for each in found.classes] == [1.0, 0.0, None]
    assert [each.sensitivity for each in found.classes] == [2 / 3, None, None]


def test_the_worst_images_are_wrong_and_surest_of_another_class() -> None:
    predictions = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.55, 0.45]], np.float32)
    labels = np.array([1, 1, 1, 0])
    assert Classification().worst(Outputs.one(predictions), labels, 5) == (0, 1)
    assert Classification().worst(Outputs.one(predictions), labels, 1) == (0,)


@pytest.mark.usefixtures("drawn_pictures")
@pytest.mark.parametrize("name", [r"$\bad$", r"\$a\$", "$5 and $6"])
def test_a_name_is_no_formula(name: str, tmp_path: Path) -> None:
    """Matplotlib took it for one: the run ended with its error."""
    found = class_results(*answers(60, 2))
    write_confusion(found, (name, "b"), tmp_path / "confusion.png")
    write_reliability([ModelResults(f"{name}.tflite", "", found)], tmp_path / "reliability.png")


@pytest.mark.usefixtures("drawn_pictures")
def test_a_thousand_classes_fit_into_a_report(tmp_path: Path) -> None:
    predictions, labels = answers(6000, 1000)
    found = class_results(predictions, labels)
    assert len(found.confusion) == MOST_CELLS < found.wrong_cells
    lost = found.wrong_cells - MOST_CELLS
    assert left_out_text(found) == f"without the rarest {lost:,} kinds of wrong answers"
    names = tuple(f"class {number}" for number in range(1000))
    model = ModelResults("x.tflite", "", found)
    rows = class_table(model, DataFacts("x", names, {})).rows
    assert len(rows) == MOST_ROWS
    write_confusion(found, names, tmp_path / "confusion.png")
    assert (tmp_path / "confusion.png").stat().st_size < 300_000


def test_a_run_holds_results_of_its_models_and_every_training(
    main_report: Report, output: Path
) -> None:
    report, folder = read_report(output / "main"), output / "main"
    baseline, *files = report.results
    assert (baseline.path, [each.path for each in files]) == (
        "baseline.keras", ["int8.tflite", "int8.onnx"],
    )  # fmt: skip
    assert report.baseline is not None
    right = sum(each.right for each in baseline.results.classes)
    assert right / report.data.splits["test"].images == report.baseline.value
    for split, counts in report.data.class_counts.items():
        assert sum(counts) == report.data.splits[split].images
    (training,) = report.trainings
    assert (training.name, len(training.epochs)) == ("baseline", 3)
    for epoch in training.epochs:
        assert 0 < epoch["validation_loss"] < 5  # type: ignore[operator]
    text = (folder / "report.md").read_text()
    for picture in ("confusion.png", "reliability.png", "worst.png", "curves.png"):
        assert f"({picture})" in text
        assert (folder / picture).exists()
    assert f"baseline: {counted(3, 'epoch')}" in text
    assert to_table(report)["results"][0]["results"]["confusion"]
