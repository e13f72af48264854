"""The task of a report, and what it adds to the keys of the store."""

from typing import ClassVar

import pytest

from edgecv.core.errors import InputError
from edgecv.core.report import DataFacts, Report
from edgecv.evaluation.task_of import default_task, task_key, task_of
from edgecv.evaluation.tasks.classification import Classification

pytestmark = pytest.mark.quick


def report(**recipe: object) -> Report:
    return Report("r", recipe, {}, "passed", DataFacts("d", (), {}), None, (), ())


def test_a_report_that_names_no_task_is_of_classification() -> None:
    """Those that ``validate`` writes, and all that were written before there were other tasks."""
    assert task_of(report()) == task_of(report(task={"task": "classification"})) == default_task()


def test_the_task_of_a_plug_in_that_is_not_here_is_named() -> None:
    with pytest.raises(InputError, match='unknown task "gaze"'):
        task_of(report(task={"task": "gaze"}))


def test_the_default_task_adds_nothing_to_the_keys_of_what_was_stored_before() -> None:
    class Other(Classification):
        """Another one."""

        name: ClassVar[str] = "other"

    assert task_key(Classification()) == ()
    assert task_key(Other()) == ({"task": "other"},)
