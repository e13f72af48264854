"""Task of a report, the default task, and what a task adds to the keys of the store."""

from typing import Any

from edgecv.core.plugins import Task
from edgecv.core.records import Report
from edgecv.core.registry import DEFAULT_TASK, TASKS


def task_of(report: Report) -> Task:
    """Return the task of a report. Raises InputError where it is of a plug-in that is not here."""
    return TASKS.parse(report.recipe.get("task", DEFAULT_TASK), f"{report.name}, [task]")


def task_key(task: Task) -> tuple[dict[str, Any], ...]:
    """Return what a task adds to a key of the store: nothing where it is the default one.

    So that what was stored before there were other tasks is found.
    """
    table = TASKS.table(task)
    return () if table == DEFAULT_TASK else (table,)


def default_task() -> Task:
    """Return the task of files and recipes that name none."""
    return TASKS.parse(DEFAULT_TASK, "task")
