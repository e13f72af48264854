"""The seam of a task: one that is defined here goes through a whole run, with nothing else edited.

It is a regression of one number an image, the height of a bright bar as a fraction of the image.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from edgecv.core.data import Dataset, Outputs, Shape, Split, Targets
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.plugins import Curves, DatasetSource, Head, Metric, Progress, Task, Terms
from edgecv.core.registry import ARCHITECTURES, DATASETS, EXPORTERS, TASKS, TECHNIQUES
from edgecv.core.report import Report
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.task_of import task_of
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.pipeline.run import run
from edgecv.reports.json_file import read_report
from edgecv.reports.verdict import verdict_line
from edgecv.system.storage import Store

SIDE = 16
CLOSE = 0.02
"""Two heights that differ by so little are the same answer."""


@dataclass(frozen=True)
class OneNumber:
    """A dense layer of one output, without activation."""

    def __call__(self, **options: Any) -> Sequence[Any]:
        from edgecv.models.tf import load_tensorflow

        _, keras = load_tensorflow()
        return [keras.layers.Dense(1, name="height", **options)]


class Height(Task):
    """One number an image: trained on squared errors, judged by the mean absolute error."""

    name: ClassVar[str] = "height"
    terms: ClassVar[Terms] = Terms(output="a height", outputs="heights")
    method: ClassVar[str] = "Heights are compared one by one."

    def head(self, data: Dataset) -> Head:
        return OneNumber()

    def targets(self, labels: Targets) -> Targets:
        return labels.astype(np.float32)[:, None]

    curves: ClassVar[Curves] = Curves(score="closeness", loss="squared error")

    def loss(self, targets: Any, raw: Any) -> Any:
        return self._squared(targets, raw)

    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        return self._squared(teacher, raw)

    def training_score(self, targets: Any, raw: Any) -> Any:
        from edgecv.models.tf import load_tensorflow

        tensorflow, _ = load_tensorflow()
        return -tensorflow.abs(targets - raw)[:, 0]

    def count_outputs(self, data: Dataset) -> int | None:
        return 1

    @property
    def metrics(self) -> tuple[Metric, ...]:
        return (
            Metric("MAE", self._mae, is_fraction=False, higher_is_better=False),
            Metric("RMSE", self._rmse, is_fraction=False, higher_is_better=False),
        )

    def _mae(self, outputs: Outputs, targets: Targets) -> float:
        return float(np.abs(outputs.only[:, 0] - targets).mean())

    def _rmse(self, outputs: Outputs, targets: Targets) -> float:
        return float(np.sqrt(np.square(outputs.only[:, 0] - targets).mean()))

    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        return -np.abs(outputs.only[:, 0].astype(np.float64) - targets)

    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        same: NDArray[np.bool_] = np.abs(outputs.only - reference.only)[:, 0] < CLOSE
        return same

    def answer_bytes(self, outputs: Outputs) -> bytes:
        return np.rint(outputs.only / CLOSE).astype("<i4").tobytes()

    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        return (f"{baseline.only[place, 0]:.2f} -> {outputs.only[place, 0]:.2f}",)

    def truth(self, data: Dataset, place: int) -> str:
        return f"{data.test.labels[place]:.2f}"

    def _squared(self, wanted: Any, given: Any) -> Any:
        from edgecv.models.tf import load_tensorflow

        tensorflow, _ = load_tensorflow()
        return tensorflow.reduce_sum(tensorflow.square(wanted - given), axis=1)


class Bars(DatasetSource):
    """Bright bars on noise: the label is the height of the bar."""

    name: ClassVar[str] = "bars"
    mirrors: ClassVar[bool] = False

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        sizes = {"train": 400, "calibration": 40, "validation": 60, "test": 120}
        splits = {
            name: bars(count, shape, seed + place)
            for place, (name, count) in enumerate(sizes.items())
        }
        return Dataset("bars", (), **splits)


def bars(count: int, shape: Shape, seed: int) -> Split:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 80, (count, *shape)).astype(np.uint8)
    rows = random.integers(1, shape[0], count)
    for image, height in zip(pixels, rows, strict=True):
        image[:height] += 150
    return Split(pixels, rows / shape[0], f"{seed:064d}")


TUNING = {"epochs": 2, "minimum_steps": 0, "batch": 32, "shift": 0}
SCHEDULE = Schedule(epochs=12, minimum_steps=360, batch=32, learning_rate=0.01, shift=0)


def recipe(**limits: float) -> Recipe:
    techniques: list[dict[str, Any]] = [
        {"technique": "shrink", "keep": 0.6, "multiple": 4, "ranking": "taylor",
         "training": TUNING, "distil": {}},
        {"technique": "distil", "training": TUNING},
    ]  # fmt: skip
    return Recipe(
        settings=RunSettings(name="heights"),
        data=Bars(),
        task=Height(),
        baseline=BaselineOptions(input_shape=(SIDE, SIDE, 1)),
        architecture=ARCHITECTURES.parse(
            {"architecture": "ds_cnn", "filters": 16, "blocks": 1}, "test"
        ),
        schedule=SCHEDULE,
        techniques=tuple(TECHNIQUES.parse(each, "test") for each in techniques),
        exports=tuple(
            EXPORTERS.parse({"format": each, "precision": "int8"}, "test")
            for each in ("tflite", "onnx")
        ),
        gates=parse_options(Limits, limits, "test"),
    )


@pytest.fixture(scope="module", autouse=True)
def registered() -> Iterator[None]:
    """Let the registries know the plug-ins of this file, as those of another package."""
    with pytest.MonkeyPatch.context() as patch:
        for registry, cls in ((TASKS, Height), (DATASETS, Bars)):
            known: Mapping[str, Any] = registry.classes
            patch.setitem(vars(registry), "classes", {**known, cls.name: cls})
        yield


EPOCH = {
    *("epoch", "loss", "validation_loss", "learning_rate", "closeness", "validation_closeness"),
    *("seconds", "settled"),
}


def _read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("heights")
    store = Store(home)
    run(recipe(max_drop_points=3.0, min_agreement=0.2, max_class_drop_points=1.0), store)
    return store.run_folder("heights")


@pytest.fixture(scope="module")
def report(folder: Path) -> Report:
    return read_report(folder)


def test_the_baseline_learns_heights(report: Report) -> None:
    assert report.baseline is not None
    assert report.baseline.value is not None
    assert report.baseline.metric == "MAE"
    assert report.baseline.value < 0.1, "the mean of all heights would be off by 0.25"


def test_the_record_of_the_training_names_the_score_of_the_task(folder: Path) -> None:
    (path,) = folder.parent.rglob("training.json")
    best = max(each["validation_closeness"] for each in _read(path)["history"])
    assert -0.1 < best < 0


def test_a_model_is_trained_on_the_outputs_of_the_baseline(folder: Path, report: Report) -> None:
    paths = folder.parent.rglob("techniques/*/facts.json")
    facts = {each["technique"]["technique"]: each for each in map(_read, paths)}
    assert set(facts) == {"shrink", "distil"}
    for each in facts.values():
        assert [set(epoch) for epoch in each["history"]] == 2 * [EPOCH]
    assert report.costs is not None
    assert report.costs.compressed.macs < report.costs.baseline.macs


def test_files_are_compared_by_the_metrics_of_the_task(report: Report) -> None:
    assert task_of(report).name == "height"
    for each in report.comparisons:
        assert each.metric == "MAE"
        assert each.value is not None
        assert each.baseline_value is not None
        assert each.difference_points == pytest.approx((each.baseline_value - each.value) * 100)
        assert [metric.name for metric in each.further_metrics] == ["RMSE"]
        assert each.statistics is not None
        assert each.statistics.accuracy is None, "scores are real numbers"
        scores = each.statistics.scores
        assert scores is not None
        assert scores.difference_points == each.difference_points
        assert scores.interval_points[0] < scores.difference_points < scores.interval_points[1]
        assert scores.no_worse.margin_points == 3.0
        assert each.statistics.classes == ()


def test_the_gates_speak_of_the_task(report: Report) -> None:
    gates = {(gate.name, gate.artifact): gate for gate in report.gates}
    for format_name in ("tflite", "onnx"):
        assert gates["conversion_difference", f"float32.{format_name}"].outcome == "passed"
        assert gates["conversion_difference", f"float32.{format_name}"].limit == 1e-3
        drop = gates["max_drop_points", f"int8.{format_name}"]
        assert drop.outcome == "passed"
        unknown = gates["max_class_drop_points", f"int8.{format_name}"]
        assert (unknown.outcome, unknown.reason) == ("inconclusive", "the task has no such figure")
    assert "points lost by the worst class not known" in verdict_line(report)


def test_the_report_is_in_the_terms_of_the_task(folder: Path, report: Report) -> None:
    text = (folder / "report.md").read_text()
    for sentence in (
        "| MAE ",
        "; RMSE 0.",
        "no worse than 3 points (95%): ",
        "images with another answer (",
        "Wilcoxon's signed-rank test",
        "a height differs by ",
        "the answer is the same on ",
        "Heights are compared one by one.",
    ):
        assert sentence in text
    for word in ("accuracy", "a probability", "likeliest", "McNemar", "calibration error"):
        assert word not in text
    changed = [each for each in report.comparisons if each.flips_picture]
    for each in changed:
        assert (folder / str(each.flips_picture)).stat().st_size > 1000


def test_an_output_that_is_no_classifiers_is_not_called_probabilities(report: Report) -> None:
    outputs = {each.artifact.path: each.output.name for each in report.comparisons}
    assert outputs["float32.onnx"] == outputs["int8.onnx"] == "output"


def test_a_report_of_a_task_that_is_not_here_says_so(
    report: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {name: cls for name, cls in TASKS.classes.items() if name != "height"}
    monkeypatch.setitem(vars(TASKS), "classes", known)
    with pytest.raises(InputError, match='unknown task "height"'):
        verdict_line(report)
