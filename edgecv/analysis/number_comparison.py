"""Files of any inputs and outputs beside a baseline, compared number by number."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from edgecv.analysis.input_order import in_order_of
from edgecv.analysis.number_samples import samples_of
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.artifact import FileEnds, SessionFacts
from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.data import Outputs
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.plugins import Task
from edgecv.core.registry import DATASETS, TASKS
from edgecv.core.report import Baseline, DataFacts, Gate, Report
from edgecv.evaluation.comparison import align_all, compare_all
from edgecv.evaluation.gates import proof_gates, verdict
from edgecv.evaluation.task_of import compared_outputs
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.rounding_noise import NOISE, steady_gates
from edgecv.pipeline.run_gates import judge, judge_moved, samples_text
from edgecv.system.environment import environment


def compare_numbers(request: ValidationRequest, context: AnalysisContext) -> Report:
    """Run files and baseline on the same samples, and compare each output.

    The samples are images of the data, for files that take one image, and else random values of the
    declared inputs. Raises InputError without a baseline, or where it cannot be run.
    """
    if request.baseline is None:
        raise InputError(
            "--baseline",
            "is missing: nothing says what the files' numbers mean, so others are needed",
            remedy="give the file that they were made of, or its float32 twin, as --baseline",
        )
    if request.meaning:
        raise InputError(
            " and ".join(request.meaning),
            "nothing is taken for an answer here: the files are compared number by number",
            remedy="leave it out; files that take one image give answers to images as --data",
        )
    pool, baseline, where = context.measurements, request.baseline, str(request.baseline)
    runtime = runtime_of_file(baseline).name
    try:
        true = pool.evaluator(runtime).ends(baseline, request.baseline_input)
        samples, facts = samples_of(request, true, context)
        context.emit("evaluate", f"{samples_text(facts)} through {where}, the baseline")
        reference = pool.evaluator(runtime).answers(baseline, samples, request.baseline_input)
    except RuntimeFailure as failure:
        found, accepted = failure.found, failure.accepted
        raise InputError(where, found, accepted=accepted, remedy=failure.remedy) from None
    measured, failures = [], {}
    for number, file in enumerate(request.files, start=1):
        path = file.artifact.path
        context.emit(
            "evaluate", f"{samples_text(facts)} through {path}", number, len(request.files)
        )
        worker = pool.evaluator(runtime_of_file(file.path).name)
        try:
            ends = worker.ends(file.path, file.input_spec)
            given, note = in_order_of(ends, samples, true)
            outputs = worker.answers(file.path, given, file.input_spec)
            measured.append(_measured(file, ends, outputs, note))
        except RuntimeFailure as failure:
            failures[path] = failure.reason
        except ValueError as error:
            failures[path] = str(error)
    kept, unmatched = align_all(measured, reference)
    task = compared_outputs()
    comparisons = compare_all(kept, reference, None, task, request.settings.threads)
    gates = judge(comparisons, failures | unmatched, comparisons, request.limits, task, facts)

    def again() -> Outputs:
        noisy = [(each * NOISE).astype(np.float32) for each in samples]
        return pool.evaluator(runtime).answers(baseline, noisy, request.baseline_input)

    as_noise = partial(judge_moved, kept, reference, request.limits, task, facts)
    gates = steady_gates(gates, where, task, again, as_noise)
    gates += proof_gates(where, reference, None, task)
    return _report(request, comparisons, gates, facts, task)


def _report(
    request: ValidationRequest,
    comparisons: Sequence[Comparison],
    gates: Sequence[Gate],
    facts: DataFacts,
    task: Task,
) -> Report:
    """Return the report of outputs that were compared by numbers alone."""
    data = None if request.source is None else DATASETS.table(request.source)
    return Report(
        name="validate",
        recipe={
            **request.settings.measured_with,
            **({} if data is None else {"data": data}),
            "task": TASKS.table(task),
            "gates": request.limits.model_dump(exclude_none=True),
        },
        environment=environment(),
        outcome=verdict(gates),
        data=facts,
        baseline=Baseline(str(request.baseline), request.parameters, task.headline.name, None),
        comparisons=tuple(comparisons),
        gates=tuple(gates),
        notes=(*request.settings.notes, *request.trust.notes()),
    )


def _measured(file: MeasuredFile, ends: FileEnds, outputs: Outputs, note: str) -> Measurement:
    """Return the measurement of a file that takes no images, or several inputs."""
    notes = (*file.artifact.notes, note) if note else file.artifact.notes
    shapes = tuple(each.shape[1:] for each in outputs.arrays.values())
    facts = SessionFacts(ends.inputs[0], ends.outputs, shapes, (1, 1, 1))
    return Measurement(
        replace(file.artifact, notes=notes), runtime_of_file(file.path).name, outputs, facts
    )


def any_ends(files: Sequence[MeasuredFile], context: AnalysisContext) -> bool:
    """Return True if no file takes an image and gives one row, and one can be run all the same."""
    pool, can_run = context.measurements, False
    for file in files:
        runtime = runtime_of_file(file.path)
        try:
            pool.open(runtime.name, file.path, file.input_spec)
        except RuntimeFailure:
            can_run = can_run or _has_ends(file, context)
        else:
            return False
    return can_run


def _has_ends(file: MeasuredFile, context: AnalysisContext) -> bool:
    worker = context.measurements.evaluator(runtime_of_file(file.path).name)
    try:
        worker.ends(file.path, file.input_spec)
    except RuntimeFailure:
        return False
    return True
