"""Limits of a run and of its heads, on the figures that each head has."""

from dataclasses import replace

import pytest
from small_report import COMPARISON, REPORT

from edgecv.core.comparison import OutputDifference
from edgecv.core.registry import TASKS
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.run_gates import limit_gates

pytestmark = pytest.mark.quick

NUMBERS = OutputDifference("b", (3,), 0.0, 0.1, 0.1, 0.95, 20.0)
FILES = (
    replace(COMPARISON, head="a"),
    replace(COMPARISON, head="b", value=None, output_differences=(NUMBERS,)),
)


def cosines(of_head: dict[str, float], limits: Limits) -> list[tuple[str, str]]:
    """Return head and outcome of each gate on cosines, of a model with two heads."""
    tables = [
        {"output": "a", "task": "classification", "limits": of_head},
        {"output": "b", "task": "outputs"},
    ]
    found = limit_gates(FILES, limits, TASKS.parse(tables, "task"), REPORT.data, "here")
    return [(gate.head, gate.outcome) for gate in found if gate.name == "min_cosine"]


def test_a_limit_of_the_run_is_for_the_heads_that_have_its_figure() -> None:
    assert cosines({}, Limits(min_cosine=0.9)) == [("b", "passed")]


def test_a_limit_of_a_head_that_cannot_have_its_figure_is_not_left_out() -> None:
    """It was, where another head had the figure: the run passed, and nothing was said."""
    found = cosines({"min_cosine": 0.999}, Limits().with_defaults())
    assert found == [("a", "inconclusive"), ("b", "passed")]
