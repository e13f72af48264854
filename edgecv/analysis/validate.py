"""Validation: the files of a run, or single files of any origin, are measured and judged.

TensorFlow is not imported in this process; a child imports it to measure a Keras model.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgecv.analysis.measure_files import SizeGroup, group_by_size, measure_groups
from edgecv.analysis.number_comparison import any_ends, compare_numbers
from edgecv.analysis.preprocessing import PreprocessingSearch, ReadModels
from edgecv.analysis.reference_check import diagnose
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.data import Dataset, Outputs
from edgecv.core.errors import InputError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.output_shape import OutputShape
from edgecv.core.plugins import Task, TaskHead
from edgecv.core.registry import DATASETS, TASKS
from edgecv.core.report import Baseline, Control, Gate, Measurement, Report
from edgecv.core.targets import with_fields
from edgecv.evaluation.comparison import align_all, compare_all, metric_of
from edgecv.evaluation.control import ControlOutputs, with_control
from edgecv.evaluation.gates import proof_gates, verdict
from edgecv.evaluation.task_of import compared_outputs, default_task, task_key
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.onnx.external_data import may_be_external
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.recipe.recipe import check_limits
from edgecv.pipeline.rounding_noise import noisy_outputs, steady_gates
from edgecv.pipeline.run_report import head_values, judge, judge_moved, limits_of_device
from edgecv.pipeline.task_choice import choose_task
from edgecv.system.environment import environment
from edgecv.system.storage import describe

RawOutputs = tuple[Outputs, dict[str, float | None]]
"""Outputs as a runtime gives them, and the scale of each."""
NOT_CLASSES = (
    "the files give numbers that are no probabilities, and the images have no labels: the numbers"
    " are compared, --labels FILE calls them classes"
)


@dataclass(frozen=True)
class ValidationArrays:
    """The arrays behind a report, for a comparison with another run."""

    data: Dataset
    task: Task
    baseline: Outputs | None
    outputs: Mapping[str, Outputs]
    """Outputs of each artifact that was compared, by its path in the report."""

    def of_head(self, head: TaskHead) -> "ValidationArrays":
        """Return the arrays of one head of the model."""
        baseline = None if self.baseline is None else head.of(self.baseline)
        outputs = {path: head.of(each) for path, each in self.outputs.items()}
        control = None if self.control is None else self.control.of_head(head)
        data = head.data(self.data)
        return ValidationArrays(data, head.task, baseline, outputs, control=control)

    files: tuple[MeasuredFile, ...] = ()
    """The files, with the preprocessing that was found."""
    control: ControlOutputs | None = None
    """None where the run has no control."""


def validate(
    request: ValidationRequest, context: AnalysisContext
) -> tuple[Report, ValidationArrays]:
    """Measure, compare and judge the files of a request.

    A file that cannot be measured becomes a failed gate called "runs"; RuntimeFailure is raised
    only when no file can be opened.
    """
    source = request.source
    assert source is not None
    check_limits(source, request.limits, "--data")
    context.measurements.reach_device([file.artifact.format for file in request.files])
    groups, failures = group_by_size(request, context)
    task, chosen = _task(request, groups, context)
    groups = [replace(group, data=task.of_task(group.data)) for group in groups]
    data = groups[0].data
    lacks_baseline = request.baseline is None and _compares_numbers(task)
    try:
        request, groups, notes = _settled(request, groups, task, context)
    except InputError as error:
        raise (_no_baseline(request, error) if lacks_baseline else error) from None
    if lacks_baseline:
        raise _no_baseline(request)
    raw = _raw_reference(request, data, context)
    measurements, unmeasured = measure_groups(groups, context, timed=request.timed)
    failures |= unmeasured
    is_known = data.has_labels or request.labels or request.task is not None
    if task.ending and not is_known and not _tell_answers(raw, measurements, task):
        task, chosen = compared_outputs(), (NOT_CLASSES,)
        data = task.of_task(data)
    heads = task.heads()
    if raw is None and _compares_numbers(task):
        raise _no_baseline(request)
    for note in chosen:
        context.emit("note", note)
    reference = None if raw is None else _normalized(request, raw, data, task)
    measurements, unmatched = align_all(measurements, None if raw is None else raw[0])
    parts = {head.name: _numbered(data, head, reference, measurements) for head in heads}
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
    # If all files are twins, the limits apply to them.
    candidates = [each for each in comparisons if not each.is_twin] or comparisons
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
    )
    arrays = ValidationArrays(data, task, reference, outputs, request.files, control)
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


def validate_any(request: ValidationRequest, context: AnalysisContext) -> Report:
    """Return the report of files: of their answers, or of their numbers where they have none."""
    whole = {file.path: whole_file(file, context) for file in request.files}
    request = replace(
        request,
        files=tuple(whole[file.path] for file in request.files),
        unproven=tuple(whole[file.path] for file in request.unproven),
    )
    if request.source is None or any_ends(request.files, context):
        if request.settings.device is not None:
            raise InputError(
                f"--on {request.settings.device.place}",
                "devices are given images, and these files take other arrays",
                remedy="leave --on out: they are compared on this machine",
            )
        return compare_numbers(request, context)
    return validate(request, context)[0]


def whole_file(file: MeasuredFile, context: AnalysisContext) -> MeasuredFile:
    """Return an ONNX file with the weights that it keeps beside it: its size and hash are theirs.

    Raises InputError where these cannot be taken.
    """
    if not may_be_external(file.path):
        return file
    plain = context.converter.plain_onnx(file.path, in_float32=False)
    if not plain.was_external:
        return file
    now = describe(plain.path, format=file.artifact.format, precision=file.artifact.precision)
    note = "its size and hash are those of one file with the weights that lie beside it"
    return replace(
        file,
        artifact=replace(now, path=file.artifact.path, notes=(*file.artifact.notes, note)),
        path=plain.path,
    )


def _tell_answers(raw: RawOutputs | None, measurements: Sequence[Measurement], task: Task) -> bool:
    """Return True if a file, or the baseline, gives answers as the task takes them."""
    found = [] if raw is None else [raw]
    found += [(each.outputs, each.facts.scales) for each in measurements]
    for outputs, scales in found:
        with suppress(ValueError):
            _, converted = task.normalized(outputs, scales)
            if not converted:
                return True
    return False


def _task(
    request: ValidationRequest, groups: Sequence[SizeGroup], context: AnalysisContext
) -> tuple[Task, tuple[str, ...]]:
    """Return the task of a run, or the one that data and files show, and notes.

    Without labels one row of numbers may be a classifier's: that is seen when it is run.
    """
    has_heads = request.task is not None and bool(request.task.heads()[0].output)
    if has_heads and request.labels is not None:
        raise InputError("--labels", "names the outputs of one task", remedy="leave it out")
    if request.task is not None and not has_heads:
        return request.task, ()
    data, first = groups[0].data, groups[0].files[:1]
    path = request.baseline or first[0].path
    spec = request.baseline_input if request.baseline else first[0].input_spec
    facts = context.measurements.open(runtime_of_file(path).name, path, spec)
    if request.task is not None:
        return request.task.for_outputs([each.name for each in facts.outputs], str(path)), ()
    is_row = len(facts.answers) == 1 and len(facts.answers[0]) == 1
    if is_row and (request.labels is not None or not data.has_labels):
        return default_task(), ()
    pairs = zip(facts.outputs, facts.answers, strict=True)
    outputs = [OutputShape(name=each.name, shape=shape) for each, shape in pairs]
    return choose_task(data, facts.answers, "numbers", str(path), outputs)


def _compares_numbers(task: Task) -> bool:
    return any(head.task.compares_numbers for head in task.heads())


def _no_baseline(request: ValidationRequest, also: InputError | None = None) -> InputError:
    """Return the error for numbers without a meaning, and what the files lack beside that."""
    found = (
        "gives numbers that are no probabilities of the data's classes: nothing says what they"
        " stand for"
    )
    remedy = "--labels FILE names each as a class; --baseline FILE compares the numbers"
    return InputError(
        ", ".join(each.artifact.path for each in request.files),
        found if also is None else f"{found}; it also {also.found}",
        accepted="" if also is None else also.accepted,
        remedy=remedy if also is None else f"{remedy}; beside that, {also.remedy}",
    )


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
    if stored is None or request.control_file is None or reference is None or labels is None:
        return None, stored
    raw = _raw_outputs(request.control_file, "control", DEFAULT_INPUT, data, context)
    outputs = task.normalized(*raw)[0]
    scores = []
    for each in stored.scores:
        head = task.head_called(each.head)
        value, before = (
            metric_of(head.of(found), head.targets(labels), head.task)
            for found in (outputs, reference)
        )
        if value is not None and before is not None:
            points = head.task.headline.gain_points(value, before)
            scores.append(replace(each, value=value, difference_points=points))
    entry = replace(stored, path=str(request.control_file), scores=tuple(scores))
    return ControlOutputs.of_report(entry, outputs), entry


def _normalized(request: ValidationRequest, raw: RawOutputs, data: Dataset, task: Task) -> Outputs:
    """Return the baseline's outputs as the task takes them."""
    outputs, scales = raw
    if mismatch := _mismatch(outputs, data, task):
        found, wanted = mismatch
        raise InputError(
            str(request.baseline),
            found,
            accepted=f"{wanted}, as {data.name} has",
            remedy="" if request.labels else "--labels FILE names each output",
        )
    try:
        return task.normalized(outputs, scales)[0]
    except ValueError as error:
        raise InputError(
            str(request.baseline), str(error), remedy="end the model with a softmax"
        ) from None


def _proof(
    request: ValidationRequest,
    measurements: Sequence[Measurement],
    reference: Outputs | None,
    data: Dataset,
    task: Task,
) -> list[Gate]:
    """Return the gate of the baseline, or of each file where there is none."""
    labels = data.test_labels
    if reference is not None:
        return proof_gates(str(request.baseline), reference, labels, task)
    return [
        gate
        for each in measurements
        for gate in proof_gates(each.artifact.path, each.outputs, labels, task)
    ]


def _numbered(
    whole: Dataset, head: TaskHead, reference: Outputs | None, measurements: Sequence[Measurement]
) -> Dataset:
    """Return the data of a head; without names its classes are as many as most files have."""
    data = head.data(whole)
    seen = [each.outputs for each in measurements] if reference is None else [reference]
    if not seen or not head.task.ending or data.class_names:
        return data
    ((outputs, _),) = Counter(_numbers(head.of(each)) for each in seen).most_common(1)
    return head.task.fit_data(data, outputs, None, data.name)


def _mismatch(outputs: Outputs, data: Dataset, task: Task) -> tuple[str, int] | None:
    """Return the numbers that a head gives if the data has another count of them, and that."""
    for head in task.heads():
        wanted, found = head.task.count_outputs(head.data(data)), _numbers(head.of(outputs))
        if wanted and found not in wanted:
            name = f"its head {head.name} " if head.name else ""
            return f"{name}gives {found} {head.task.terms.outputs}", wanted[0]
    return None


def _numbers(outputs: Outputs) -> int:
    """Return the number of output values for one image."""
    return sum(math.prod(values.shape[1:]) for values in outputs.arrays.values())


def usable_measurements(
    measurements: Sequence[Measurement], data: Dataset, task: Task, context: AnalysisContext
) -> tuple[list[Measurement], dict[str, str]]:
    """Return the comparable measurements, normalized, and path -> reason for the others."""
    usable, failures = [], {}
    for each in measurements:
        path = each.artifact.path
        if mismatch := _mismatch(each.outputs, data, task):
            failures[path] = f"{mismatch[0]}, the data has {mismatch[1]}"
            continue
        try:
            outputs, changes = task.normalized(each.outputs, each.facts.scales)
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
    """Return the baseline's entry in the report."""
    if reference is None:
        return None
    labels, name = data.test_labels, task.headline.name
    value, heads = metric_of(reference, labels, task), head_values(reference, labels, task)
    return Baseline(str(request.baseline), request.parameters, name, value, head_values=heads)
