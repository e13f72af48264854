"""Files of any inputs and outputs beside a baseline, compared number by number."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from edgecv.analysis.number_samples import in_order_of, samples_of, samples_text
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.artifact import FileEnds
from edgecv.core.data import Outputs
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.plugins import Task
from edgecv.core.registry import DATASETS
from edgecv.core.report import Baseline, Comparison, DataFacts, Report
from edgecv.evaluation.gates import verdict
from edgecv.evaluation.output_differences import output_differences, unjudged
from edgecv.evaluation.task_of import default_task
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.run_report import judge
from edgecv.system.environment import environment

METRIC = "outputs"


def compare_numbers(request: ValidationRequest, context: AnalysisContext) -> Report:
    """Run files and baseline on the same samples, and compare each output.

    The samples are images of the data, for files that take one image, and else random values of the
    declared inputs. Raises InputError without a baseline, or where it cannot be run.
    """
    if request.baseline is None:
        raise InputError(
            "--baseline",
            "is missing: the files are no classifiers, so their numbers need others beside them",
            remedy="give the file that they were made of, or its float32 twin, as --baseline",
        )
    pool, where = context.measurements, str(request.baseline)
    runtime = runtime_of_file(request.baseline).name
    try:
        true = pool.evaluator(runtime).ends(request.baseline, request.baseline_input)
        samples, facts = samples_of(request, true, context)
        context.emit("evaluate", f"{samples_text(facts)} through {where}, the baseline")
        reference = pool.evaluator(runtime).answers(
            request.baseline, samples, request.baseline_input
        )
    except RuntimeFailure as failure:
        raise InputError(where, failure.found, accepted=failure.accepted) from None
    comparisons, failures = [], {}
    for number, file in enumerate(request.files, start=1):
        path = file.artifact.path
        context.emit(
            "evaluate", f"{samples_text(facts)} through {path}", number, len(request.files)
        )
        worker = pool.evaluator(runtime_of_file(file.path).name)
        try:
            ends = worker.ends(file.path, file.input_spec)
            given = in_order_of(ends, samples, true)
            outputs = worker.answers(file.path, given, file.input_spec)
            comparisons.append(_comparison(file, ends, outputs, reference))
        except RuntimeFailure as failure:
            failures[path] = failure.reason
        except ValueError as error:
            failures[path] = str(error)
    return number_report(request, comparisons, failures, facts, default_task())


def number_report(
    request: ValidationRequest,
    comparisons: Sequence[Comparison],
    failures: Mapping[str, str],
    facts: DataFacts,
    task: Task,
) -> Report:
    """Return the report of outputs that were compared by numbers alone."""
    gates = judge(comparisons, failures, comparisons, request.limits, task, ())
    gates += [
        unjudged(each.artifact.path, each.output_differences, samples_text(facts))
        for each in comparisons
    ]
    data = None if request.source is None else DATASETS.table(request.source)
    return Report(
        name="validate",
        recipe={**request.settings.measured_with, **({} if data is None else {"data": data})},
        environment=environment(),
        outcome=verdict(gates),
        data=facts,
        baseline=Baseline(str(request.baseline), request.parameters, METRIC, None),
        comparisons=tuple(comparisons),
        gates=tuple(gates),
        notes=(*request.settings.notes, *request.trust.notes()),
    )


def with_differences(comparison: Comparison, outputs: Outputs, reference: Outputs) -> Comparison:
    """Return a comparison with nothing but its numbers: no metric, no agreement of answers.

    Raises ValueError where the outputs cannot be compared.
    """
    found = output_differences(outputs, reference)
    return replace(
        comparison,
        metric=METRIC,
        value=None,
        baseline_value=None,
        difference_points=None,
        agreement=None,
        max_probability_difference=None,
        mean_probability_difference=None,
        statistics=None,
        further_metrics=(),
        output_differences=found,
    )


def _comparison(
    file: MeasuredFile, ends: FileEnds, outputs: Outputs, reference: Outputs
) -> Comparison:
    bare = Comparison(
        artifact=file.artifact,
        runtime=runtime_of_file(file.path).name,
        is_twin=False,
        metric=METRIC,
        value=None,
        baseline_value=None,
        difference_points=None,
        agreement=None,
        max_probability_difference=None,
        size_ratio=None,
        speedup=None,
        speedup_interval=None,
        latency=None,
        input=ends.inputs[0],
        output=ends.outputs[0],
    )
    return with_differences(bare, outputs, reference)


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
