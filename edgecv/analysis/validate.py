"""Validation: the files of a run, or single files of any origin, are measured and judged.

TensorFlow is not imported in this process; a child imports it to measure a Keras model.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgecv.analysis.measure_files import group_by_size, measure_groups
from edgecv.analysis.preprocessing import settled
from edgecv.analysis.reference_check import diagnose
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.errors import InputError
from edgecv.core.plugins import Task
from edgecv.core.records import (
    Baseline,
    Dataset,
    Measurement,
    Outputs,
    Report,
)
from edgecv.core.registry import DATASETS
from edgecv.evaluation.comparison import compare_all, metric_of
from edgecv.evaluation.gates import verdict
from edgecv.evaluation.task_of import default_task
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.recipe.recipe import check_limits
from edgecv.pipeline.run_report import judge
from edgecv.system.environment import environment


@dataclass(frozen=True)
class ValidationArrays:
    """The arrays behind a report, for a comparison with another run."""

    data: Dataset
    task: Task
    baseline: Outputs | None
    outputs: Mapping[str, Outputs]
    """Outputs of each artifact that was compared, by its path in the report."""


def validate(
    request: ValidationRequest, context: AnalysisContext
) -> tuple[Report, ValidationArrays]:
    """Measure, compare and judge the files of a request.

    A file that cannot be measured becomes a failed gate called "runs"; RuntimeFailure is raised
    only when no file can be opened.
    """
    check_limits(request.source, request.limits, "--data")
    groups, failures = group_by_size(request, context)
    data = groups[0].data
    task = default_task()
    request, groups, notes = settled(request, groups, data, task, context)
    reference = _reference(request, data, task, context)
    measurements, unmeasured = measure_groups(groups, context, timed=request.timed)
    failures |= unmeasured
    if not data.class_names:
        data = _numbered(data, task, reference, measurements)
    usable, unusable = _usable(measurements, data, task, context)
    margin = request.limits.margin_points
    comparisons = compare_all(usable, reference, data.test_labels, task, context.threads, margin)
    outputs = {each.artifact.path: each.outputs for each in usable}
    checked = diagnose(request, comparisons, data, failures, context)
    for note in checked.notes:
        context.emit("note", note)
    # If all files are twins, the limits apply to them.
    candidates = [each for each in comparisons if not each.is_twin] or comparisons
    names = data.class_names
    gates = [
        *judge(comparisons, failures | unusable, candidates, request.limits, task, names),
        *checked.gates,
    ]
    report = Report(
        name="validate",
        recipe={"data": DATASETS.table(request.source), "seed": request.settings.seed},
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
    """Return data with numbered classes, as many as most files have outputs."""
    seen = [each.outputs for each in measurements] if reference is None else [reference]
    if not seen:
        return data
    ((outputs, _),) = Counter(map(_numbers, seen)).most_common(1)
    return task.fit_data(data, outputs, None, data.name)


def _numbers(outputs: Outputs) -> int:
    """Return the number of output values for one image."""
    return sum(math.prod(values.shape[1:]) for values in outputs.arrays.values())


def _usable(
    measurements: Sequence[Measurement], data: Dataset, task: Task, context: AnalysisContext
) -> tuple[list[Measurement], dict[str, str]]:
    """Return the comparable measurements, normalized, and path -> reason for the others."""
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
    """Return the baseline's entry in the report."""
    if reference is None:
        return None
    value = metric_of(reference, data.test_labels, task)
    return Baseline(str(request.baseline), request.parameters, task.headline.name, value)
