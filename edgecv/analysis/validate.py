"""Validation: the files of a run, or single files of any origin, are measured and judged.

TensorFlow is not imported in this process; a child imports it to measure a Keras model.
"""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from edgecv.analysis.measure_files import SizeGroup, fitted_data, group_by_size, measure_groups
from edgecv.analysis.preprocessing import PreprocessingSearch, ReadModels
from edgecv.analysis.reference_check import diagnose
from edgecv.analysis.task_of_files import compares_numbers, no_baseline, task_of_files
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.analysis.validation_arrays import (
    RawOutputs,
    ValidationArrays,
    normalized,
    numbered,
    tell_answers,
    usable_measurements,
)
from edgecv.core.comparison import Measurement
from edgecv.core.data import Dataset, Outputs
from edgecv.core.errors import InputError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.plugins import Task
from edgecv.core.registry import DATASETS, TASKS
from edgecv.core.report import Baseline, Control, Gate, Report
from edgecv.core.targets import with_fields
from edgecv.evaluation.comparison import align_all, compare_all, gained_points, metric_of
from edgecv.evaluation.control import ControlOutputs, with_control
from edgecv.evaluation.gates import NOTHING_JUDGES, PROOF, proof_gates, verdict
from edgecv.evaluation.task_of import compared_outputs, task_key
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.recipe.checks import check_limits
from edgecv.pipeline.rounding_noise import noisy_outputs, steady_gates
from edgecv.pipeline.run_gates import judge, judge_moved, limits_of_device
from edgecv.pipeline.run_report import head_values
from edgecv.system.environment import environment
from edgecv.system.memory import peak_memory

NOT_CLASSES = (
    "the files give numbers that are no probabilities, and the images have no labels: the numbers"
    " are compared, --labels FILE calls them classes"
)


def validate(
    request: ValidationRequest, context: AnalysisContext
) -> tuple[Report, ValidationArrays]:
    """Measure, compare and judge the files of a request.

    A file that cannot be measured becomes a failed gate called "runs"; RuntimeFailure is raised
    only when no file can be opened. Raises InputError where the data are no images.
    """
    source = request.images_source()
    check_limits(source, request.limits, "--data")
    context.measurements.reach_device([file.artifact.format for file in request.files])
    groups, failures = group_by_size(request, context)
    task, chosen = task_of_files(request, groups, context)
    groups = [replace(group, data=fitted_data(request, group, task)) for group in groups]
    data = groups[0].data
    lacks_baseline = request.baseline is None and compares_numbers(task)
    try:
        request, groups, notes = _settled(request, groups, task, context)
    except InputError as error:
        raise (no_baseline(request, context, error) if lacks_baseline else error) from None
    if lacks_baseline:
        raise no_baseline(request, context)
    raw = _raw_reference(request, data, context)
    measurements, unmeasured = measure_groups(groups, context, timed=request.timed)
    failures |= unmeasured
    is_known = data.has_labels or request.labels or request.task is not None
    if task.ending and not is_known and not tell_answers(raw, measurements, task):
        task, chosen = compared_outputs(), (NOT_CLASSES,)
        data = task.of_task(data)
    heads = task.heads()
    if raw is None and compares_numbers(task):
        raise no_baseline(request, context)
    for note in chosen:
        context.emit("note", note)
    reference = None if raw is None else normalized(request, raw, data, task)
    measurements, unmatched = align_all(measurements, None if raw is None else raw[0])
    parts = {head.name: numbered(data, head, reference, measurements) for head in heads}
    data = with_fields(data, parts)
    usable, unusable = usable_measurements(measurements, data, task, context)
    unusable |= unmatched
    margin = request.limits.margin_points
    compared = compare_all(usable, reference, data.test_labels, task, context.threads, margin)
    control, entry = _control(request, data, task, reference, context)
    comparisons = with_control(compared, usable, control, data.test_labels, task, margin)
    outputs = {each.artifact.path: each.outputs for each in usable}
    checked = diagnose(request, comparisons, data, failures, context)
    for note in checked.notes:
        context.emit("note", note)
    asked = request.asked_twins
    judged_files = [e for e in comparisons if not e.is_twin or e.artifact.path in asked]
    candidates = judged_files or comparisons  # If all files are twins, the limits apply to them.
    facts = data_facts(data, task)
    limits = limits_of_device(request.limits, measurements)
    judged = judge(comparisons, failures | unusable, candidates, limits, task, facts)
    if reference is not None and request.baseline is not None:
        path, spec = request.baseline, request.baseline_input
        again = partial(noisy_outputs, context.measurements, path, data.test.images, spec)
        as_noise = partial(judge_moved, usable, reference, request.limits, task, facts)
        judged = steady_gates(judged, str(path), task, again, as_noise)
    gates = [
        *judged,
        *_proof(request, usable, reference, data, task),
        *checked.gates,
    ]
    report = Report(
        name="validate",
        recipe={
            **request.settings.measured_with,
            "data": DATASETS.table(source),
            **({} if task_key(task) == () else {"task": TASKS.table(task)}),
            "gates": limits.model_dump(exclude_none=True),
        },
        environment=environment(),
        outcome=verdict(gates),
        data=facts,
        baseline=_baseline(request, data, task, reference),
        comparisons=tuple(comparisons),
        gates=tuple(gates),
        notes=(*request.settings.notes, *request.trust.notes(), *chosen, *notes, *checked.notes),
        control=entry,
        memory=peak_memory(),
    )
    read = None if request.baseline is None else (request.baseline, request.baseline_input)
    arrays = ValidationArrays(data, task, reference, outputs, request.files, control, read, asked)
    return report, arrays


def _settled(
    request: ValidationRequest, groups: Sequence[SizeGroup], task: Task, context: AnalysisContext
) -> tuple[ValidationRequest, list[SizeGroup], tuple[str, ...]]:
    """Return a request and its groups with the preprocessing of each model, and notes."""
    baseline, is_of_run = request.baseline, request.baseline_is_of_run
    spec, found = request.baseline_input, []
    notes: list[str] = []
    for group in groups:
        models = ReadModels(group.files, baseline, request.baseline_input, is_of_run)
        models, added = PreprocessingSearch(group.data, task, context).settled(models)
        spec, notes = models.baseline_input, [*notes, *added]
        found.append(replace(group, files=models.files))
    specs = {file.path: file for group in found for file in group.files}
    files = tuple(specs.get(file.path, file) for file in request.files)
    unproven = tuple(specs.get(file.path, file) for file in request.unproven)
    request = replace(request, files=files, unproven=unproven, baseline_input=spec)
    return request, found, tuple(notes)


def _raw_reference(
    request: ValidationRequest, data: Dataset, context: AnalysisContext
) -> RawOutputs | None:
    """Return the baseline's outputs for the test images as they are, and their scales."""
    if request.baseline is None:
        return None
    return _raw_outputs(request.baseline, "baseline", request.baseline_input, data, context)


def _raw_outputs(
    path: Path, name: str, spec: InputSpec, data: Dataset, context: AnalysisContext
) -> RawOutputs:
    context.emit("evaluate", f"{len(data.test):,} images through {path}, the {name}")
    runtime, pool = runtime_of_file(path).name, context.measurements
    outputs = pool.predict(runtime, path, data.test.images, spec)
    return outputs, pool.open(runtime, path, spec).scales


def _control(
    request: ValidationRequest,
    data: Dataset,
    task: Task,
    reference: Outputs | None,
    context: AnalysisContext,
) -> tuple[ControlOutputs | None, Control | None]:
    """Return the outputs of the run's control, and its entry: measured on these test images.

    The decision between baseline and control stays: it was made on the validation split.
    """
    stored, labels = request.control, data.test_labels
    if stored is None or request.control_file is None or reference is None:
        return None, stored
    if labels is None:  # Its figures are of other images.
        return None, replace(stored, path=str(request.control_file), scores=())
    raw = _raw_outputs(request.control_file, "control", DEFAULT_INPUT, data, context)
    outputs = task.normalized(*raw)[0]
    scores = []
    for each in stored.scores:
        head = task.head_called(each.head)
        own, known = head.of(outputs), head.targets(labels)
        if known is not None:
            value = head.task.metric(own, known)
            points = gained_points(own, head.of(reference), known, head.task)
            scores.append(replace(each, value=value, difference_points=points))
    entry = replace(stored, path=str(request.control_file), scores=tuple(scores))
    return ControlOutputs.of_report(entry, outputs), entry


def _proof(
    request: ValidationRequest,
    measurements: Sequence[Measurement],
    reference: Outputs | None,
    data: Dataset,
    task: Task,
) -> list[Gate]:
    """Return the gate of the baseline, or of each file where there is none.

    A file that nothing judges has passed nothing: no baseline, no labels, no limit of its own.
    """
    labels = data.test_labels
    if reference is not None:
        return proof_gates(str(request.baseline), reference, labels, task)
    if labels is None and not any(request.limits.given()):
        paths = [each.artifact.path for each in measurements]
        return [Gate(PROOF, path, 0.0, None, "inconclusive", NOTHING_JUDGES) for path in paths]
    return [
        gate
        for each in measurements
        for gate in proof_gates(each.artifact.path, each.outputs, labels, task)
    ]


def _baseline(
    request: ValidationRequest, data: Dataset, task: Task, reference: Outputs | None
) -> Baseline | None:
    """Return the baseline's entry in the report."""
    if reference is None:
        return None
    labels, name = data.test_labels, task.headline.name
    value, heads = metric_of(reference, labels, task), head_values(reference, labels, task)
    return Baseline(str(request.baseline), request.parameters, name, value, head_values=heads)
