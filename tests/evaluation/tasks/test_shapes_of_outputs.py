"""Outputs that a task cannot be of: refused by their shape, before anything is run."""

import pytest

from edgecv.core.errors import InputError
from edgecv.core.output_shape import OutputShape
from edgecv.core.plugins import Task, TaskHead
from edgecv.core.registry import TASKS
from edgecv.evaluation.tasks.heads import Heads

pytestmark = pytest.mark.quick

ROW, MAP, COLOURS, POINT = (10,), (16, 16, 1), (16, 16, 3), (10, 1, 1)
SHAPES = (ROW, MAP, COLOURS, POINT, (16, 16), (1, 16, 16))
TAKEN = {
    "classification": (ROW, POINT),
    "multilabel": (ROW, POINT),
    "regression": (ROW, POINT),
    "segmentation": (MAP, COLOURS, POINT, (16, 16), (1, 16, 16)),
    "depth": (MAP, POINT, (16, 16), (1, 16, 16)),
    "outputs": SHAPES,
}


def task_of(name: str) -> Task:
    return TASKS.parse({"task": name}, "test")


@pytest.mark.parametrize("name", TAKEN)
def test_a_task_refuses_the_shapes_that_it_cannot_measure(name: str) -> None:
    task = task_of(name)
    for shape in SHAPES:
        outputs = [OutputShape(name="out", shape=shape)]
        if shape in TAKEN[name]:
            assert task.for_outputs(outputs, "m.keras") is task
        else:
            with pytest.raises(InputError, match=r"gives .* numbers for an image.*--task outputs"):
                task.for_outputs(outputs, "m.keras")


def test_a_head_refuses_them_by_its_name() -> None:
    outputs = [OutputShape(name="near", shape=ROW), OutputShape(name="kind", shape=ROW)]
    given = {"near": "depth", "kind": "classification"}
    parts = tuple(TaskHead(output=(key,), task=task_of(name)) for key, name in given.items())
    heads = Heads(parts=parts)
    with pytest.raises(InputError, match=r"m\.keras, near: gives 10 numbers"):
        heads.for_outputs(outputs, "m.keras")
