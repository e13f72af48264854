"""Task of a run that is over: its report says which one."""

from edgecv.core.plugins import Task
from edgecv.core.records import Report
from edgecv.core.registry import DEFAULT_TASK, TASKS


def task_of(report: Report) -> Task:
    """Return the task of a report. Raises InputError where it is of a plug-in that is not here."""
    return TASKS.parse(report.recipe.get("task", DEFAULT_TASK), f"{report.name}, [task]")


def default_task() -> Task:
    """Return the task of files and recipes that name none."""
    return TASKS.parse(DEFAULT_TASK, "task")
