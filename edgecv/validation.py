"""Measure files again: a run's folder or single files, whoever made them.

TensorFlow is not imported in this process, and only in a child where a Keras model is measured.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecv.contracts import DatasetSource
from edgecv.datasets._resolve import resolve
from edgecv.environment import environment
from edgecv.errors import InputError, RuntimeFailure
from edgecv.measuring import Bench, File, bench, runtime_of_file
from edgecv.pipeline import data_facts, load_source
from edgecv.proof.comparison import compare, is_twin
from edgecv.proof.gates import conversion_gate, drop_gate, failed_file, verdict
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
from edgecv.registry import DATASETS, TASKS
from edgecv.reports.json_file import read_report
from edgecv.store import check_seal, describe

OnEvent = Callable[[Event], None]
PRECISION_NOT_KNOWN = "given"


@dataclass(frozen=True)
class Request:
    """What to measure, on what, against what."""

    files: tuple[File, ...]
    source: DatasetSource
    seed: int
    baseline: Path | None
    parameters: int = 0


def validate_paths(
    paths: Sequence[Path],
    *,
    data: str | None,
    baseline: Path | None,
    threads: int = 1,
    max_drop: float | None = None,
    skip_bad_images: bool = False,
    on_event: OnEvent = lambda event: None,
    log: Path | None = None,
) -> Report:
    """Measure run folders and single files on the test split of a data set.

    A file that cannot be measured becomes a failed gate called "runs"; RuntimeFailure is raised
    only when no file can be opened. Raises InputError for wrong paths and missing data.
    """
    request = _request(paths, data, baseline, skip_bad_images)
    with bench(threads, log) as tests:
        shape, closed = _common_shape(request.files, tests)
        loaded = load_source(request.source, shape, request.seed, on_event)
        if not len(loaded.test):
            raise InputError(loaded.name, "has no test images", remedy="put some under test/")
        opened = [file for file in request.files if file.artifact.path not in closed]
        reference = _reference(request, loaded, tests, on_event)
        measurements, failures = tests.measure(opened, loaded.test.images, on_event)
    usable, strange = _with_classes(measurements, len(loaded.class_names))
    comparisons = _compare(usable, reference, loaded, threads)
    gates = _gates(comparisons, {**closed, **failures, **strange}, max_drop)
    return _report(request, loaded, reference, comparisons, gates)


def _request(
    paths: Sequence[Path], data: str | None, baseline: Path | None, skip_bad_images: bool
) -> Request:
    if not paths:
        raise InputError("PATH", "none given", accepted="run folders, .tflite, .onnx, .keras files")
    for path in [*paths, *([baseline] if baseline else [])]:
        if not path.exists():
            raise InputError("PATH", f"there is no {path}")
    files: list[File] = []
    source = None if data is None else resolve(data, skip_bad_images=skip_bad_images)
    seed, parameters = 0, 0
    for path in paths:
        if not path.is_dir():
            files.append(_single(path))
            continue
        check_seal(path)
        report = read_report(path)
        if report.baseline is not None and baseline is None:
            baseline, parameters = path / report.baseline.path, report.baseline.parameters
        if source is None:
            source = DATASETS.parse(report.recipe.get("data"), f"{path}/report.json, data")
            seed = int(report.recipe.get("seed", 0))
        files += _of_run(path, report, alone=len(paths) == 1)
    if baseline is not None:
        runtime_of_file(baseline)
    if source is None:
        raise InputError(
            "--data", "is needed for single files", accepted="cifar10, digits, or a path"
        )
    return Request(tuple(files), source, seed, baseline, parameters)


def _of_run(folder: Path, report: Report, *, alone: bool) -> list[File]:
    files = []
    for each in report.comparisons:
        name = each.artifact.path
        if Path(name).name != name:
            raise InputError(str(folder / "report.json"), f'"{name}" is not a plain file name')
        shown = name if alone else str(folder / name)
        files.append(File(replace(each.artifact, path=shown), folder / name))
    return files


def _single(path: Path) -> File:
    runtime = runtime_of_file(path)
    artifact = describe(path, format=runtime.format, precision=PRECISION_NOT_KNOWN)
    if (path.parent / "report.json").is_file():
        for each in read_report(path.parent).comparisons:
            if each.artifact.sha256 == artifact.sha256:
                artifact = each.artifact
    return File(replace(artifact, path=str(path)), path)


def _common_shape(files: Sequence[File], tests: Bench) -> tuple[Shape, dict[str, str]]:
    """Return the image shape that the files take, and path -> reason for those that do not."""
    shape: Shape | None = None
    failures: dict[str, str] = {}
    for file in files:
        name = file.artifact.path
        worker = tests.worker(runtime_of_file(file.path).name, os.cpu_count() or 1)
        try:
            height, width, channels = worker.open(file.path).input.shape[1:]
        except RuntimeFailure as failure:
            failures[name] = failure.reason
            continue
        found = (height, width, channels)
        if shape is not None and found != shape:
            failures[name] = f"takes images of {found}, the files before it of {shape}"
        shape = shape or found
    if shape is None:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in failures.items())
        raise RuntimeFailure("validate", f"no file could be opened: {reasons}")
    return shape, failures


def _reference(
    request: Request, data: Dataset, tests: Bench, on_event: OnEvent
) -> Predictions | None:
    if request.baseline is None:
        return None
    on_event(
        Event("evaluate", f"{len(data.test):,} images through {request.baseline}, the baseline")
    )
    worker = tests.worker(runtime_of_file(request.baseline).name, os.cpu_count() or 1)
    predictions = worker.predict(request.baseline, data.test.images)
    if predictions.shape[1] != len(data.class_names):
        raise InputError(
            str(request.baseline),
            f"gives {predictions.shape[1]} classes",
            accepted=f"{len(data.class_names)}, as {data.name} has",
        )
    return predictions


def _with_classes(
    measurements: Sequence[Measurement], classes: int
) -> tuple[list[Measurement], dict[str, str]]:
    usable = [each for each in measurements if each.predictions.shape[1] == classes]
    return usable, {
        each.artifact.path: f"gives {each.predictions.shape[1]} classes, the data has {classes}"
        for each in measurements
        if each.predictions.shape[1] != classes
    }


def _compare(
    measurements: Sequence[Measurement],
    reference: Predictions | None,
    data: Dataset,
    threads: int,
) -> list[Comparison]:
    task = TASKS.parse({"task": "classification"}, "task")
    twins = {each.artifact.format: each for each in measurements if is_twin(each.artifact)}
    return [
        compare(each, twins.get(each.artifact.format), reference, data.test.labels, task, threads)
        for each in measurements
    ]


def _gates(
    comparisons: Sequence[Comparison], failures: dict[str, str], max_drop: float | None
) -> list[Gate]:
    gates = [failed_file(path, reason) for path, reason in failures.items()]
    if any(each.baseline_value is not None for each in comparisons):
        gates += [conversion_gate(each) for each in comparisons if each.is_twin]
    if max_drop is not None:
        gates += [drop_gate(each, max_drop) for each in comparisons if not each.is_twin]
    return gates


def _report(
    request: Request,
    data: Dataset,
    reference: Predictions | None,
    comparisons: Sequence[Comparison],
    gates: Sequence[Gate],
) -> Report:
    task = TASKS.parse({"task": "classification"}, "task")
    recipe: dict[str, Any] = {"data": DATASETS.table(request.source), "seed": request.seed}
    baseline = None
    if reference is not None:
        value = task.metric(reference, data.test.labels)
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
