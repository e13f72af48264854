"""The task of files that are measured: given, or shown by the data and the files."""

from collections.abc import Sequence

from edgecv.analysis.measure_files import SizeGroup
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.errors import InputError
from edgecv.core.output_shape import OutputShape
from edgecv.core.plugins import Task
from edgecv.datasets.class_order import check_count
from edgecv.evaluation.task_of import default_task
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.task_choice import choose_task


def task_of_files(
    request: ValidationRequest, groups: Sequence[SizeGroup], context: AnalysisContext
) -> tuple[Task, tuple[str, ...]]:
    """Return the task of a run, or the one that data and files show, and notes.

    Without labels one row of numbers may be a classifier's: that is seen when it is run. Raises
    InputError where the names that are given are not those of the channels of a map.
    """
    has_heads = request.task is not None and bool(request.task.heads()[0].output)
    if has_heads and request.labels is not None:
        raise InputError("--labels", "names the outputs of one task", remedy="leave it out")
    data, first = groups[0].data, groups[0].files[:1]
    if request.task is not None and not (has_heads or request.task.has_one_output):
        return request.task, ()
    path = request.baseline or first[0].path
    spec = request.baseline_input if request.baseline else first[0].input_spec
    facts = context.measurements.open(runtime_of_file(path).name, path, spec)
    pairs = zip(facts.outputs, facts.answers, strict=True)
    outputs = [OutputShape(name=each.name, shape=shape) for each, shape in pairs]
    if request.task is not None:
        check_channels(request.task, request.labels, facts.answers)
        return request.task.for_outputs(outputs, str(path)), ()
    is_row = len(facts.answers) == 1 and len(facts.answers[0]) == 1
    if is_row and (request.labels is not None or not data.has_labels):
        return default_task(), ()
    found, notes = choose_task(data, facts.answers, "numbers", str(path), outputs)
    check_channels(found, request.labels, facts.answers)
    return found, notes


def check_channels(
    task: Task, labels: Sequence[str] | None, answers: Sequence[tuple[int, ...]]
) -> None:
    """Raise InputError where a map of several channels has not one for each name.

    ``answers``: the shape of each output for one image.
    """
    is_map = len(answers) == 1 and len(answers[0]) > 1 and task.takes_shape(answers[0])
    if labels is not None and is_map and (channels := task.names_of(answers[0])) > 1:
        check_count(channels, labels)


def compares_numbers(task: Task) -> bool:
    """Return True if a head of the task is compared by numbers."""
    return any(head.task.compares_numbers for head in task.heads())


def no_baseline(
    request: ValidationRequest, context: AnalysisContext, also: InputError | None = None
) -> InputError:
    """Return the error for numbers without a meaning, and what the files lack beside that."""
    found = (
        "gives numbers that are no probabilities of the data's classes: nothing says what they"
        " stand for"
    )
    remedies = [_meaning(request, context), "--baseline FILE compares the numbers"]
    remedy = "; ".join(filter(None, remedies))
    return InputError(
        ", ".join(each.artifact.path for each in request.files),
        found if also is None else f"{found}; it also {also.found}",
        accepted="" if also is None else also.accepted,
        remedy=remedy if also is None else f"{remedy}; beside that, {also.remedy}",
    )


def _meaning(request: ValidationRequest, context: AnalysisContext) -> str:
    """Return the option that gives the outputs of these files a meaning; empty if it is given."""
    if request.task is not None:
        return ""
    file = request.files[0]
    facts = context.measurements.open(runtime_of_file(file.path).name, file.path, file.input_spec)
    if len(facts.answers) > 1:
        return f"--task {facts.outputs[0].name}=TASK, once for each output, says what they are"
    if len(facts.answers[0]) > 1:
        return "--task TASK says what they are: see edgecv list"
    return "--labels FILE names each as a class"
