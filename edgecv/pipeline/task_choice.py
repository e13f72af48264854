"""The task of a run: the one that is asked for, or the one that model and data show."""

import contextlib
import math
from collections import Counter
from collections.abc import Sequence

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.output_shape import OutputShape
from edgecv.core.plugins import Task
from edgecv.core.registry import TASKS
from edgecv.core.targets import kinds_of
from edgecv.core.text import counted, listed
from edgecv.datasets.named_targets import NAMED, as_kind, target_names
from edgecv.evaluation.task_of import compared_outputs, default_task


def choose_task(
    data: Dataset,
    answers: Sequence[tuple[int, ...]],
    ending: str,
    where: str,
    outputs: Sequence[OutputShape] = (),
) -> tuple[Task, tuple[str, ...]]:
    """Return the task that model and data show, and a note where that is no classification.

    ``answers``: the shape of each output for one image; ``ending``: as ``Task.fits`` takes it;
    ``outputs``: the same of each, where they are known by name. Outputs that fit no targets are
    compared number by number. Raises InputError where a classifier and the classes of the data
    contradict each other.
    """
    found = [name for name, cls in TASKS.classes.items() if cls.fits(data, answers, ending)]
    usual = default_task()
    if usual.name in found:
        return usual, ()
    if len(found) == 1:
        return TASKS.parse({"task": found[0]}, where), (f"{_shown(answers)}: {found[0]}",)
    if len(found) > 1:
        raise InputError(
            where,
            f"{_shown(answers)}, which may be {' or '.join(found)}",
            remedy=f"give --task {found[0]}",
        )
    named = [name for name in target_names(data) if name in data.target_names]
    if named and len(answers) == 1 and kinds_of(data.test.labels) == tuple(named):
        raise InputError(
            data.name,
            f"has the targets {listed(named)}, and nothing says which of them the model gives",
            accepted="one target, or a model with an output for each",
            remedy="leave the others out",
        )
    if heads := _heads(data, outputs, where):
        task = TASKS.parse(heads, where).for_outputs(outputs, where)
        texts = (f"its output {head.name}: {head.task.name}" for head in task.heads())
        return task, (f"{_shown(answers)}: {', '.join(texts)}",)
    if data.has_labels and data.class_names and ending == "sigmoid" and len(answers[0]) == 1:
        raise InputError(
            where,
            "ends in a sigmoid: each output is a yes or no of its own, and the data has one class"
            " an image",
            accepted="one softmax over the classes, or logits",
            remedy="--task multilabel takes it as several classes an image, --task outputs compares"
            " its numbers",
        )
    classes = f" ({counted(len(data.class_names), 'class')})" if data.class_names else ""
    they = "which fits" if list(answers) == [(1,)] else "which fit"
    note = f"{_shown(answers)}, {they} no targets of the data{classes}: compared by numbers"
    return compared_outputs(), (note,)


def check_takes_names(task: Task) -> None:
    """Raise InputError for a task whose outputs no names are given to."""
    if task.heads()[0].name:
        raise InputError("--labels", "names the outputs of one task", remedy="leave it out")
    if type(task).fit_data is Task.fit_data:
        raise InputError(
            "--labels",
            f"names the outputs of a model, and the task {task.name} takes them by their numbers",
            remedy="leave it out, and number the classes of the data as the model does",
        )


def _heads(data: Dataset, outputs: Sequence[OutputShape], where: str) -> list[dict[str, str]]:
    """Return a table for each target of the data that exactly one of several outputs fits."""
    found: list[dict[str, str]] = []
    if len(outputs) == 1 or not data.has_labels:
        return found
    for each in outputs:
        for kind in NAMED if each.name in target_names(data) else ():
            with contextlib.suppress(InputError):
                own = as_kind(data, (each.name,), kind, where)
                found += [
                    {"output": each.name, "task": name}
                    for name, cls in TASKS.classes.items()
                    if cls.target == kind and cls.fits(own, [each.shape], each.ending)
                ]
    for name, cls in TASKS.classes.items():
        fitting = [each for each in outputs if cls.fits(data, [each.shape], each.ending)]
        if fitting:
            task = TASKS.parse({"task": name}, where)
            counts = task.count_outputs(task.of_task(data))
            fitting = [each for each in fitting if not counts or math.prod(each.shape) in counts]
        if len(fitting) > 1:
            fitting = [each for each in fitting if each.ending == cls.ending]
        if len(fitting) == 1:
            found.append({"output": fitting[0].name, "task": name})
    taken = Counter(each["output"] for each in found)
    return [each for each in found if taken[each["output"]] == 1]


def _shown(answers: Sequence[tuple[int, ...]]) -> str:
    shapes = ", ".join("x".join(map(str, each)) for each in answers)
    return f"the model gives {shapes} {'number' if shapes == '1' else 'numbers'} an image"
