"""Measure files again: a run's folder or single files, whoever made them.

TensorFlow is not imported in this process, and only in a child where a Keras model is measured.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecv.analysis.measure_files import group_by_size, measure_groups, preprocessing_notes
from edgecv.analysis.reference_check import diagnose, unproven
from edgecv.analysis.validate_request import ValidationRequest, request_of
from edgecv.core.errors import InputError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Task
from edgecv.core.records import (
    Baseline,
    Dataset,
    Measurement,
    OnEvent,
    Outputs,
    Report,
    ignore_event,
)
from edgecv.core.registry import DATASETS
from edgecv.datasets.class_order import read_labels
from edgecv.evaluation.comparison import compare_all, metric_of
from edgecv.evaluation.gates import verdict
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.task_of import default_task
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.trust import Trust, check_custom_objects
from edgecv.pipeline.context import AnalysisContext, open_analysis
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.prediction_cache import NO_CACHE, PredictionCache
from edgecv.pipeline.recipe.recipe import RunSettings, check_limits
from edgecv.pipeline.run_report import judge
from edgecv.system.environment import environment

OnMeasured = Callable[["ValidationArrays"], None]


@dataclass(frozen=True)
class ValidationArrays:
    """Arrays that a report was made of and does not keep, for a comparison with something else."""

    data: Dataset
    task: Task
    baseline: Outputs | None
    outputs: Mapping[str, Outputs]
    """Outputs of each artifact that was compared, by its path in the report."""


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
    on_event: OnEvent = ignore_event,
    on_measured: OnMeasured = lambda measured: None,
    log: Path | None = None,
) -> Report:
    """Measure run folders and single files on the test split of a data set.

    ``timed``: latencies too; ``diagnosed``: single files are held against a float32 twin too.
    ``prediction_cache`` keeps what files answered, for callers that measure often.
    ``input_spec`` is of files that no run of edgecv has written: the others say how they are read.
    ``on_measured`` is given the predictions, which no report keeps.
    A file that cannot be measured becomes a failed gate called "runs"; RuntimeFailure is raised
    only when no file can be opened. Raises InputError for wrong paths and missing data.
    """
    options = {"name": "validate", "threads": threads}
    settings = parse_options(RunSettings, options, "--threads")
    names = None if labels is None else read_labels(labels)
    request = request_of(paths, data, baseline, names, skip_bad_images, input_spec)
    request = replace(
        request,
        limits=limits or Limits(),
        trust=Trust(everything=trust_model, custom_objects=custom_objects),
        timed=timed,
        unproven=tuple(unproven(request.files, paths)) if diagnosed else (),
    )
    check_limits(request.source, request.limits, "--data")
    check_custom_objects(custom_objects)
    settings = settings.model_copy(update={"seed": request.seed})
    with open_analysis(settings, on_event, log, request.trust, prediction_cache) as context:
        report, arrays = validate(request, context)
    on_measured(arrays)
    return report


def validate(
    request: ValidationRequest, context: AnalysisContext
) -> tuple[Report, ValidationArrays]:
    """Measure, compare and judge the files of a request."""
    groups, failures = group_by_size(request, context)
    data = groups[0].data
    task = default_task()
    reference = _reference(request, data, task, context)
    measurements, unmeasured = measure_groups(groups, context, timed=request.timed)
    failures |= unmeasured
    if not data.class_names:
        data = _numbered(data, task, reference, measurements)
    usable, unusable = _usable(measurements, data, task, context)
    margin = request.limits.margin_points
    comparisons = compare_all(usable, reference, data.test_labels, task, context.threads, margin)
    outputs = {each.artifact.path: each.outputs for each in usable}
    notes = preprocessing_notes(groups, comparisons, task, context)
    checked = diagnose(request, comparisons, data, failures, context)
    for note in checked.notes:
        context.emit("note", note)
    # Where all are twins, they are what the limits are for.
    candidates = [each for each in comparisons if not each.is_twin] or comparisons
    names = data.class_names
    gates = [
        *judge(comparisons, failures | unusable, candidates, request.limits, task, names),
        *checked.gates,
    ]
    report = Report(
        name="validate",
        recipe={"data": DATASETS.table(request.source), "seed": request.seed},
        environment=environment(),
        outcome=verdict(gates),
        data=data_facts(data),
        baseline=_baseline(request, data, task, reference),
        comparisons=tuple(comparisons),
        gates=tuple(gates),
        notes=(*request.trust.notes(), *notes, *checked.notes),
    )
    return report, ValidationArrays(data, task, reference, outputs)


def _reference(
    request: ValidationRequest, data: Dataset, task: Task, context: AnalysisContext
) -> Outputs | None:
    """Return the baseline's outputs for the test images."""
    if request.baseline is None:
        return None
    count, pool = len(data.test), context.measurements
    context.emit("evaluate", f"{count:,} images through {request.baseline}, the baseline")
    runtime, input_spec = runtime_of_file(request.baseline).name, request.baseline_input
    values = pool.predict(runtime, request.baseline, data.test.images, input_spec)
    output = pool.open(runtime, request.baseline, input_spec).output
    outputs, wanted = Outputs.one(values, output.name), task.count_outputs(data)
    if wanted and _numbers(outputs) != wanted:
        raise InputError(
            str(request.baseline),
            f"gives {_numbers(outputs)} {task.terms.outputs}",
            accepted=f"{wanted}, as {data.name} has",
            remedy="" if request.labels else "--labels FILE names each output",
        )
    try:
        return task.normalized(outputs, {output.name: output.scale})[0]
    except ValueError as error:
        raise InputError(
            str(request.baseline), str(error), remedy="end the model with a softmax"
        ) from None


def _numbered(
    data: Dataset, task: Task, reference: Outputs | None, measurements: Sequence[Measurement]
) -> Dataset:
    """Return data without class names for as many outputs as most files have."""
    seen = [each.outputs for each in measurements] if reference is None else [reference]
    if not seen:
        return data
    ((outputs, _),) = Counter(map(_numbers, seen)).most_common(1)
    return task.fit_data(data, outputs, None, data.name)


def _numbers(outputs: Outputs) -> int:
    """Return how many numbers there are for an image."""
    return sum(math.prod(values.shape[1:]) for values in outputs.arrays.values())


def _usable(
    measurements: Sequence[Measurement], data: Dataset, task: Task, context: AnalysisContext
) -> tuple[list[Measurement], dict[str, str]]:
    """Return the measurements that can be compared, normalized, and path -> reason for others."""
    usable, failures = [], {}
    wanted = task.count_outputs(data)
    for each in measurements:
        path, found, output = each.artifact.path, _numbers(each.outputs), each.facts.output
        if wanted is not None and found != wanted:
            failures[path] = f"gives {found} {task.terms.outputs}, the data has {wanted}"
            continue
        try:
            outputs, changes = task.normalized(each.outputs, {output.name: output.scale})
        except ValueError as error:
            failures[path] = str(error)
            continue
        notes = (*each.facts.notes, *changes)
        for note in notes:
            context.emit("note", f"{path}: {note}")
        artifact = replace(each.artifact, notes=(*each.artifact.notes, *notes))
        usable.append(replace(each, artifact=artifact, outputs=outputs))
    return usable, failures


def _baseline(
    request: ValidationRequest, data: Dataset, task: Task, reference: Outputs | None
) -> Baseline | None:
    """Return what the report says of the baseline."""
    if reference is None:
        return None
    value = metric_of(reference, data.test_labels, task)
    return Baseline(str(request.baseline), request.parameters, task.headline.name, value)
