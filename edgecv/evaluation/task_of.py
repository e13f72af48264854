"""The task of a report, the default task, and the part of a task in keys of the store."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from edgecv.core.plugins import Task, TaskHead
from edgecv.core.registry import DEFAULT_TASK, TASKS
from edgecv.core.report import Report

COMPARED = {"task": "outputs"}
"""The task of outputs whose meaning nobody knows."""


def task_of(report: Report) -> Task:
    """Return the task of a report. Raises InputError where its plug-in is not installed."""
    return TASKS.parse(report.recipe.get("task", DEFAULT_TASK), f"{report.name}, [task]")


def per_head(report: Report) -> dict[str, Report]:
    """Return the report of each head of a model by its name: the report itself where it has one.

    It has the task, the classes, the comparisons and the gates of the head.
    """
    heads = task_of(report).heads()
    if not heads[0].output:
        return {"": report}
    return {head.name: _of_head(report, head) for head in heads}


def _of_head(report: Report, head: TaskHead) -> Report:
    classes = report.data.head_classes.get(head.name, ())
    mine = tuple(each for each in report.comparisons if each.head == head.name)
    baseline = report.baseline
    if baseline is not None:
        value = baseline.head_values.get(head.name)
        baseline = replace(baseline, metric=head.task.headline.name, value=value)
    control = report.control
    if control is not None:
        scores = tuple(each for each in control.scores if each.head == head.name)
        control = replace(control, scores=scores)
    has_labels = report.data.has_labels and not head.task.compares_numbers
    return replace(
        report,
        recipe={**report.recipe, "task": TASKS.table(head.task)},
        data=replace(report.data, classes=classes, has_labels=has_labels),
        baseline=baseline,
        control=control,
        comparisons=mine,
        gates=tuple(gate for gate in report.gates if gate.head == head.name),
    )


def task_key(task: Task) -> tuple[dict[str, Any], ...]:
    """Return the part of a task in a key of the store: empty for the default task.

    Results that were stored before there were other tasks keep their keys.
    """
    table = TASKS.table(task)
    return () if table == DEFAULT_TASK else (table,)


def default_task() -> Task:
    """Return the task of files and recipes that do not name one."""
    return TASKS.parse(DEFAULT_TASK, "task")


def usual_task(answers: Sequence[tuple[int, ...]]) -> Task:
    """Return the task of files that nobody has named one for, by the shape of each output."""
    is_row = len(answers) == 1 and len(answers[0]) == 1
    return default_task() if is_row else compared_outputs()


def compared_outputs() -> Task:
    """Return the task of outputs whose meaning nobody knows."""
    return TASKS.parse(COMPARED, "task")
