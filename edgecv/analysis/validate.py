"""Measure files again: a run's folder or single files, whoever made them.

TensorFlow is not imported in this process, and only in a child where a Keras model is measured.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgecv.analysis.reference_check import diagnose, unproven
from edgecv.analysis.validate_request import ValidationRequest, request_of
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Task
from edgecv.core.preprocessing import Preprocessing
from edgecv.core.records import (
    PRECISION_NOT_KNOWN,
    Baseline,
    Comparison,
    Dataset,
    Event,
    Gate,
    Images,
    Measurement,
    Predictions,
    Report,
    Shape,
)
from edgecv.core.registry import DATASETS, TASKS
from edgecv.datasets.class_order import in_order_of, read_labels
from edgecv.evaluation.comparison import compare_all, metric_of
from edgecv.evaluation.gates import conversion_gate, failed_file, verdict
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.probabilities import as_probabilities
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.trust import Trust, check_custom_objects
from edgecv.pipeline.measure import MeasuredFile, MeasurementPool, measurement_pool
from edgecv.pipeline.prediction_cache import NO_CACHE, PredictionCache
from edgecv.pipeline.preprocessing_hints import is_near_chance, with_each_choice, words_of
from edgecv.pipeline.recipe.recipe import RunSettings, check_limits
from edgecv.pipeline.run import data_facts, load_source
from edgecv.system.environment import environment, machine

OnEvent = Callable[[Event], None]
OnMeasured = Callable[["ValidationArrays"], None]


@dataclass(frozen=True)
class ValidationArrays:
    """What a report was made of and does not keep, for whoever compares it with something else."""

    data: Dataset
    baseline: Predictions | None
    predictions: Mapping[str, Predictions]
    """Of each artifact that was compared, by its path in the report."""


def validate_paths(
    paths: Sequence[Path],
    *,
    data: str | DatasetSource | None,
    baseline: Path | None,
    threads: int = 1,
    labels: Path | None = None,
    limits: Limits | None = None,
    skip_bad_images: bool = False,
    input_spec: InputSpec = DEFAULT_INPUT,
    trust_model: bool = False,
    custom_objects: tuple[str, ...] = (),
    timed: bool = True,
    diagnosed: bool = True,
    prediction_cache: PredictionCache = NO_CACHE,
    on_event: OnEvent = lambda event: None,
    on_measured: OnMeasured = lambda measured: None,
    log: Path | None = None,
) -> Report:
    """Measure run folders and single files on the test split of a data set.

    ``timed``: latencies too; ``diagnosed``: single files are held against a float32 twin too.
    ``recall`` keeps what files answered, for whoever measures often.
    ``reading`` is of files that no run of edgecv has written: those say all of themselves.
    ``on_measured`` is given the predictions, which no report keeps.
    A file that cannot be measured becomes a failed gate called "runs"; RuntimeFailure is raised
    only when no file can be opened. Raises InputError for wrong paths and missing data.
    """
    settings = parse_options(RunSettings, {"name": "validate", "threads": threads}, "--threads")
    limits, threads = limits or Limits(), settings.threads
    names = None if labels is None else read_labels(labels)
    request = request_of(paths, data, baseline, names, skip_bad_images, input_spec)
    check_limits(request.source, limits, "--data")
    check_custom_objects(custom_objects)
    trust = Trust(everything=trust_model, custom_objects=custom_objects)
    with measurement_pool(threads, log, trust, prediction_cache) as tests:
        sizes, closed = _by_size(request, tests)
        data_of = {size: _load(request, size, limits, on_event) for size in sizes}
        loaded = next(iter(data_of.values()))
        reference = _reference(request, loaded, tests, on_event)
        measurements, failures = _measure(sizes, data_of, tests, on_event, timed=timed)
        if not loaded.class_names:
            loaded = _numbered(loaded, reference, measurements)
        usable, strange = _usable(measurements, len(loaded.class_names), on_event)
        task = TASKS.parse({"task": "classification"}, "task")
        comparisons = compare_all(
            usable, reference, loaded.test_labels, task, threads, limits.margin_points
        )
        on_measured(
            ValidationArrays(
                loaded, reference, {each.artifact.path: each.predictions for each in usable}
            )
        )
        notes = _hints(sizes, data_of, comparisons, task, tests, on_event)
        told = diagnose(
            unproven(request.files, paths) if diagnosed else [],
            request.files,
            comparisons,
            loaded,
            tests,
            baseline=request.baseline,
            baseline_reading=request.baseline_reading,
            trust=trust,
            failures={**closed, **failures},
            on_event=on_event,
        )
    for note in told.notes:
        on_event(Event("note", note))
    gates = _gates(comparisons, {**closed, **failures, **strange}, limits, loaded.class_names)
    gates += told.gates
    notes = (*trust.notes(), *notes, *told.notes)
    return _report(request, loaded, task, reference, comparisons, gates, notes)


def _check_same_images(request: ValidationRequest, data: Dataset) -> None:
    """Raise InputError where a run's own data is no longer what the run was proven on."""
    if request.test_sha256 not in (None, data.test.sha256):
        raise InputError(
            data.name,
            "holds other test images than those that the run was proven on",
            remedy="give --data to measure on these all the same",
        )


def _by_size(
    request: ValidationRequest, tests: MeasurementPool
) -> tuple[dict[Shape, list[MeasuredFile]], dict[str, str]]:
    """Return the files by the size of the images that they take, and why others are out.

    A baseline is compared on images of its own size alone.
    """
    sizes: dict[Shape, list[MeasuredFile]] = {}
    failures: dict[str, str] = {}
    for file in request.files:
        try:
            sizes.setdefault(_shape_of(file.path, file.input_spec, tests), []).append(file)
        except RuntimeFailure as failure:
            failures[file.artifact.path] = failure.reason
    if not sizes:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in failures.items())
        raise RuntimeFailure("validate", f"no file could be opened: {reasons}")
    if request.baseline is None:
        return sizes, failures
    shape = _shape_of(request.baseline, request.baseline_reading, tests)
    for found, files in sizes.items():
        if found != shape:
            reason = f"takes images of {_words(found)}, the others of {_words(shape)}"
            failures |= {file.artifact.path: reason for file in files}
    return {shape: sizes.get(shape, [])}, failures


def _shape_of(path: Path, input_spec: InputSpec, tests: MeasurementPool) -> Shape:
    return tests.open(runtime_of_file(path).name, path, input_spec).image


def _words(shape: Shape) -> str:
    return "x".join(map(str, shape))


def _load(request: ValidationRequest, size: Shape, limits: Limits, on_event: OnEvent) -> Dataset:
    loaded = load_source(request.source, size, request.seed, on_event)
    if request.labels is not None:
        loaded = in_order_of(loaded, len(request.labels), request.labels)
    _check_same_images(request, loaded)
    check_limits(loaded, limits, "--data")
    return loaded


def _measure(
    sizes: Mapping[Shape, Sequence[MeasuredFile]],
    data_of: Mapping[Shape, Dataset],
    tests: MeasurementPool,
    on_event: OnEvent,
    *,
    timed: bool,
) -> tuple[list[Measurement], dict[str, str]]:
    """Measure each file on images of the size that it takes."""
    measurements: list[Measurement] = []
    failures: dict[str, str] = {}
    for size, files in sizes.items():
        found, failed = tests.measure(files, data_of[size].test.images, on_event, timed=timed)
        measurements += found
        failures |= failed
    return measurements, failures


def _reference(
    request: ValidationRequest, data: Dataset, tests: MeasurementPool, on_event: OnEvent
) -> Predictions | None:
    if request.baseline is None:
        return None
    on_event(
        Event("evaluate", f"{len(data.test):,} images through {request.baseline}, the baseline")
    )
    runtime, input_spec = runtime_of_file(request.baseline).name, request.baseline_reading
    outputs = tests.predict(runtime, request.baseline, data.test.images, input_spec)
    scale = tests.open(runtime, request.baseline, input_spec).output.scale
    if data.class_names and outputs.shape[1] != len(data.class_names):
        raise InputError(
            str(request.baseline),
            f"gives {outputs.shape[1]} classes",
            accepted=f"{len(data.class_names)}, as {data.name} has",
            remedy="" if request.labels else "--labels FILE names each output",
        )
    try:
        return as_probabilities(outputs, scale)[0]
    except ValueError as error:
        raise InputError(
            str(request.baseline), str(error), remedy="end the model with a softmax"
        ) from None


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
    measurements: Sequence[Measurement], classes: int, on_event: OnEvent
) -> tuple[list[Measurement], dict[str, str]]:
    """Return what can be compared, as probabilities and with what was told, and why others not."""
    usable, strange = [], {}
    for each in measurements:
        path, found = each.artifact.path, each.predictions.shape[1]
        if found != classes:
            strange[path] = f"gives {found} classes, the data has {classes}"
            continue
        try:
            predictions, words = as_probabilities(each.predictions, each.facts.output.scale)
        except ValueError as error:
            strange[path] = str(error)
            continue
        told = (*each.facts.notes, *words)
        for note in told:
            on_event(Event("note", f"{path}: {note}"))
        artifact = replace(each.artifact, notes=(*each.artifact.notes, *told))
        usable.append(replace(each, artifact=artifact, predictions=predictions))
    return usable, strange


def _hints(
    sizes: Mapping[Shape, Sequence[MeasuredFile]],
    data_of: Mapping[Shape, Dataset],
    comparisons: Sequence[Comparison],
    task: Task,
    tests: MeasurementPool,
    on_event: OnEvent,
) -> tuple[str, ...]:
    """Say what other pixels would give to files that are hardly better than guessing."""
    places = {
        file.artifact.path: (file, data_of[size]) for size, files in sizes.items() for file in files
    }
    notes = []
    for each in comparisons:
        file, data = places[each.artifact.path]
        is_foreign = each.artifact.precision == PRECISION_NOT_KNOWN
        if not is_foreign or each.value is None or not is_near_chance(each.value, data):
            continue
        on_event(Event("evaluate", f"other pixels through {file.path}, which is near chance"))

        def predict(
            images: Images,
            choice: Preprocessing,
            file: MeasuredFile = file,
            runtime: str = each.runtime,
        ) -> Predictions:
            input_spec = file.input_spec.model_copy(update={"preprocess": choice})
            return tests.predict(runtime, file.path, images, input_spec)

        words = words_of(with_each_choice(predict, data, task), data)
        notes.append(f"{each.artifact.path} is hardly better than guessing; {words}")
        on_event(Event("note", notes[-1]))
    return tuple(notes)


def _gates(
    comparisons: Sequence[Comparison],
    failures: dict[str, str],
    limits: Limits,
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
    request: ValidationRequest,
    data: Dataset,
    task: Task,
    reference: Predictions | None,
    comparisons: Sequence[Comparison],
    gates: Sequence[Gate],
    notes: tuple[str, ...],
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
        notes=notes,
    )
