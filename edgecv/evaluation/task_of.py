"""The task of a report, the default task, and the part of a task in keys of the store."""

from collections.abc import Sequence
from typing import Any

from edgecv.core.plugins import Task
from edgecv.core.registry import DEFAULT_TASK, TASKS
from edgecv.core.report import Report

COMPARED = {"task": "outputs"}
"""The task of outputs whose meaning nobody knows."""


def task_of(report: Report) -> Task:
    """Return the task of a report. Raises InputError where its plug-in is not installed."""
    return TASKS.parse(report.recipe.get("task", DEFAULT_TASK), f"{report.name}, [task]")


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
