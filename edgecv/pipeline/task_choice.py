"""The task of a run: the one that is asked for, or the one that model and data show."""

from collections.abc import Sequence

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.plugins import Task
from edgecv.core.registry import TASKS
from edgecv.evaluation.task_of import compared_outputs, default_task


def choose_task(
    data: Dataset, answers: Sequence[tuple[int, ...]], ending: str, where: str
) -> tuple[Task, tuple[str, ...]]:
    """Return the task that model and data show, and a note where that is no classification.

    ``answers``: the shape of each output for one image; ``ending``: as ``Task.fits`` takes it.
    Outputs that fit no targets are compared number by number. Raises InputError where a classifier
    and the classes of the data contradict each other.
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
    if data.has_labels and data.class_names and ending == "sigmoid" and len(answers[0]) == 1:
        raise InputError(
            where,
            "ends in a sigmoid: each output is a yes or no of its own, and the data has one class"
            " an image",
            accepted="one softmax over the classes, or logits",
            remedy="--task multilabel takes it as several classes an image, --task outputs compares"
            " its numbers",
        )
    note = f"{_shown(answers)}, which fit no targets of the data: they are compared by numbers"
    return compared_outputs(), (note,)


def _shown(answers: Sequence[tuple[int, ...]]) -> str:
    shapes = ", ".join("x".join(map(str, each)) for each in answers)
    return f"the model gives {shapes} numbers an image"
