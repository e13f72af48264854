"""Measure files again: a run's folder or single files, whoever made them.

TensorFlow is not imported in this process, and only in a child where a Keras model is measured.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecv.class_order import in_order_of, read_labels
from edgecv.contracts import DatasetSource, Task
from edgecv.datasets._resolve import resolve
from edgecv.environment import environment, machine
from edgecv.errors import InputError, RuntimeFailure
from edgecv.measuring import Bench, File, bench, runtime_of_file
from edgecv.pipeline import data_facts, load_source
from edgecv.proof.comparison import compare_all, metric_of
from edgecv.proof.gates import conversion_gate, failed_file, verdict
from edgecv.proof.judging import judge_limits
from edgecv.proof.limits import Gates
from edgecv.recipe import Settings, check_limits
from edgecv.records import (
    Baseline,
    Comparison,
    Dataset,
    Event,
    Gate,
    Measurement,
    Predictions,
    Report,
    Shape,
)
from edgecv.registry import DATASETS, TASKS, parse_options
from edgecv.reports.json_file import read_report
from edgecv.store import check_seal, describe

OnEvent = Callable[[Event], None]
PRECISION_NOT_KNOWN = "given"
ROUNDING = 0.01
"""How far a quantized probability may be outside of 0..1."""


@dataclass(frozen=True)
class Request:
    """What to measure, on what, against what."""

    files: tuple[File, ...]
    source: DatasetSource
    seed: int
    baseline: Path | None
    parameters: int = 0
    labels: tuple[str, ...] | None = None
    """The name of each output, where it is not that of a class of the data."""
    test_sha256: str | None = None
    """Of the test split that a run's own report speaks of."""


def validate_paths(
    paths: Sequence[Path],
    *,
    data: str | None,
    baseline: Path | None,
    threads: int = 1,
    labels: Path | None = None,
    limits: Gates | None = None,
    skip_bad_images: bool = False,
    on_event: OnEvent = lambda event: None,
    log: Path | None = None,
) -> Report:
    """Measure run folders and single files on the test split of a data set.

    A file that cannot be measured becomes a failed gate called "runs"; RuntimeFailure is raised
    only when no file can be opened. Raises InputError for wrong paths and missing data.
    """
    settings = parse_options(Settings, {"name": "validate", "threads": threads}, "--threads")
    limits, threads = limits or Gates(), settings.threads
    names = None if labels is None else read_labels(labels)
    request = _request(paths, data, baseline, names, skip_bad_images)
    check_limits(request.source, limits, "--data")
    with bench(threads, log) as tests:
        shape, closed = _common_shape(request, tests)
        loaded = load_source(request.source, shape, request.seed, on_event)
        if request.labels is not None:
            loaded = in_order_of(loaded, len(request.labels), request.labels)
        _check_same_images(request, loaded)
        check_limits(loaded, limits, "--data")
        opened = [file for file in request.files if file.artifact.path not in closed]
        reference = _reference(request, loaded, tests, on_event)
        measurements, failures = tests.measure(opened, loaded.test.images, on_event)
    if not loaded.class_names:
        loaded = _numbered(loaded, reference, measurements)
    usable, strange = _usable(measurements, len(loaded.class_names))
    task = TASKS.parse({"task": "classification"}, "task")
    comparisons = compare_all(
        usable, reference, loaded.test_labels, task, threads, limits.margin_points
    )
    gates = _gates(comparisons, {**closed, **failures, **strange}, limits, loaded.class_names)
    return _report(request, loaded, task, reference, comparisons, gates)


def _request(
    paths: Sequence[Path],
    data: str | None,
    baseline: Path | None,
    labels: tuple[str, ...] | None,
    skip_bad_images: bool,
) -> Request:
    if not paths:
        raise InputError(
            "PATH", "none given", accepted="a run folder, .tflite, .onnx, .keras files"
        )
    for path in [*paths, *([baseline] if baseline else [])]:
        if not path.exists():
            raise InputError("PATH", f"there is no {path}")
    _check_paths(paths)
    runs = [path for path in paths if path.is_dir()]
    if skip_bad_images and data is None:
        raise InputError("--skip-bad-images", "goes with --data", remedy="leave it out")
    for run in runs:
        check_seal(run)
    report = read_report(runs[0]) if runs else None
    source = None if data is None else resolve(data, skip_bad_images=skip_bad_images)
    seed, parameters, test_sha256 = 0, 0, None
    if report is not None:
        if baseline is None and report.baseline is not None:
            baseline = runs[0] / _plain(report.baseline.path, runs[0])
            parameters = report.baseline.parameters
        if source is None:
            source = DATASETS.parse(report.recipe.get("data"), f"{runs[0]}/report.json, data")
            seed = int(report.recipe.get("seed", 0))
            test_sha256 = report.data.splits["test"].sha256
        if labels is None:
            labels = _labels_of(report)
    if baseline is not None:
        runtime_of_file(baseline)
    if source is None:
        raise InputError(
            "--data", "is needed for single files", accepted="cifar10, digits, or a path"
        )
    files: list[File] = []
    for path in paths:
        files += _of_run(path, report) if report and path.is_dir() else [_single(path)]
    return Request(tuple(files), source, seed, baseline, parameters, labels, test_sha256)


def _labels_of(report: Report) -> tuple[str, ...] | None:
    names = report.recipe.get("baseline", {}).get("labels")
    return None if names is None else tuple(map(str, names))


def _check_paths(paths: Sequence[Path]) -> None:
    """Raise InputError for two runs, or one file twice: each would be judged by the other's."""
    if len([path for path in paths if path.is_dir()]) > 1:
        raise InputError("PATH", "more than one run", remedy="validate them one after the other")
    places = [path.resolve() for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError("PATH", f"{paths[number]} is given twice", remedy="give it once")


def _check_same_images(request: Request, data: Dataset) -> None:
    """Raise InputError where a run's own data is no longer what the run was proven on."""
    if request.test_sha256 not in (None, data.test.sha256):
        raise InputError(
            data.name,
            "holds other test images than those that the run was proven on",
            remedy="give --data to measure on these all the same",
        )


def _of_run(folder: Path, report: Report) -> list[File]:
    return [
        File(each.artifact, folder / _plain(each.artifact.path, folder))
        for each in report.comparisons
    ]


def _plain(name: str, folder: Path) -> str:
    if Path(name).name != name:
        raise InputError(str(folder / "report.json"), f'"{name}" is not a plain file name')
    return name


def _single(path: Path) -> File:
    runtime = runtime_of_file(path)
    artifact = describe(path, format=runtime.format, precision=PRECISION_NOT_KNOWN)
    if (path.parent / "report.json").is_file():
        for each in read_report(path.parent).comparisons:
            if each.artifact.sha256 == artifact.sha256:
                artifact = each.artifact
    return File(replace(artifact, path=str(path)), path)


def _common_shape(request: Request, tests: Bench) -> tuple[Shape, dict[str, str]]:
    """Return the image shape of the baseline, or else of most files, and why others are out."""
    shapes: dict[str, Shape] = {}
    failures: dict[str, str] = {}
    for file in request.files:
        try:
            shapes[file.artifact.path] = _shape_of(file.path, tests)
        except RuntimeFailure as failure:
            failures[file.artifact.path] = failure.reason
    if not shapes:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in failures.items())
        raise RuntimeFailure("validate", f"no file could be opened: {reasons}")
    if request.baseline is not None:
        shape = _shape_of(request.baseline, tests)
    else:
        ((shape, _),) = Counter(shapes.values()).most_common(1)
    for path, found in shapes.items():
        if found != shape:
            failures[path] = f"takes images of {_words(found)}, the others of {_words(shape)}"
    return shape, failures


def _shape_of(path: Path, tests: Bench) -> Shape:
    worker = tests.evaluator(runtime_of_file(path).name)
    height, width, channels = worker.open(path).input.shape[1:]
    return height, width, channels


def _words(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _reference(
    request: Request, data: Dataset, tests: Bench, on_event: OnEvent
) -> Predictions | None:
    if request.baseline is None:
        return None
    on_event(
        Event("evaluate", f"{len(data.test):,} images through {request.baseline}, the baseline")
    )
    worker = tests.evaluator(runtime_of_file(request.baseline).name)
    predictions = worker.predict(request.baseline, data.test.images)
    if strange := _not_probabilities(predictions):
        raise InputError(str(request.baseline), strange, remedy="end the model with a softmax")
    if data.class_names and predictions.shape[1] != len(data.class_names):
        raise InputError(
            str(request.baseline),
            f"gives {predictions.shape[1]} classes",
            accepted=f"{len(data.class_names)}, as {data.name} has",
            remedy="" if request.labels else "--labels FILE names each output",
        )
    return predictions


def _numbered(
    data: Dataset, reference: Predictions | None, measurements: Sequence[Measurement]
) -> Dataset:
    """Return data without class names with a number for each output that most files have."""
    seen = [each.predictions for each in measurements] if reference is None else [reference]
    if not seen:
        return data
    ((outputs, _),) = Counter(each.shape[1] for each in seen).most_common(1)
    return in_order_of(data, outputs, None)


def _usable(
    measurements: Sequence[Measurement], classes: int
) -> tuple[list[Measurement], dict[str, str]]:
    strange = {}
    for each in measurements:
        if each.predictions.shape[1] != classes:
            found = each.predictions.shape[1]
            strange[each.artifact.path] = f"gives {found} classes, the data has {classes}"
        elif reason := _not_probabilities(each.predictions):
            strange[each.artifact.path] = reason
    return [each for each in measurements if each.artifact.path not in strange], strange


def _not_probabilities(predictions: Predictions) -> str:
    """Say why predictions cannot be probabilities; empty where they can."""
    low, high = float(predictions.min()), float(predictions.max())
    if low < -ROUNDING or high > 1 + ROUNDING:
        return f"gives outputs from {low:.3g} to {high:.3g}, not probabilities"
    return ""


def _gates(
    comparisons: Sequence[Comparison],
    failures: dict[str, str],
    limits: Gates,
    classes: Sequence[str],
) -> list[Gate]:
    gates = [failed_file(path, reason) for path, reason in failures.items()]
    if any(each.agreement is not None for each in comparisons):
        gates += [conversion_gate(each) for each in comparisons if each.is_twin]
    candidates = [each for each in comparisons if not each.is_twin]
    for each in candidates or comparisons:  # Only twins: then they are what the limits are for.
        gates += judge_limits(each, limits, classes=classes, machine=machine())
    return gates


def _report(
    request: Request,
    data: Dataset,
    task: Task,
    reference: Predictions | None,
    comparisons: Sequence[Comparison],
    gates: Sequence[Gate],
) -> Report:
    recipe: dict[str, Any] = {"data": DATASETS.table(request.source), "seed": request.seed}
    baseline = None
    if reference is not None:
        value = metric_of(reference, data.test_labels, task)
        metric = type(task).metric_name
        baseline = Baseline(str(request.baseline), request.parameters, metric, value)
    return Report(
        name="validate",
        recipe=recipe,
        environment=environment(),
        outcome=verdict(gates),
        data=data_facts(data),
        baseline=baseline,
        comparisons=tuple(comparisons),
        gates=tuple(gates),
    )
