"""Batches: the images that the steps of an epoch take, of all classes alike where asked for."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecv.core.errors import InputError
from edgecv.evaluation.tasks.classification import Classification
from edgecv.evaluation.tasks.outputs import ComparedOutputs
from edgecv.evaluation.tasks.regression import Regression
from edgecv.models.training.augmentation import check_schedule
from edgecv.models.training.batches import Batches
from edgecv.models.training.schedule import Schedule

pytestmark = pytest.mark.quick


def rows_of(batches: Batches, epoch: int) -> list[int]:
    return [int(row) for _, rows in batches.of_epoch(epoch) for row in rows]


def images(count: int) -> np.ndarray:
    return np.zeros((count, 1, 1, 1), np.uint8)


@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=5),
    batch=st.integers(1, 16),
    seed=st.integers(0, 3),
)
def test_each_class_gives_as_many_images_and_all_of_its_own(
    counts: list[int], batch: int, seed: int
) -> None:
    classes = np.repeat(np.arange(len(counts)), counts)
    batch = min(batch, len(classes))
    steps = len(classes) // batch
    batches = Batches(images(len(classes)), batch, steps, seed, classes=classes)
    seen = Counter[int]()
    for epoch in range(4):
        rows = rows_of(batches, epoch)
        assert len(rows) == steps * batch
        assert rows == rows_of(batches, epoch)
        taken = Counter(int(classes[row]) for row in rows)
        # The rows that no batch takes are fewer than there are classes.
        assert max(taken.values()) - min(taken[each] for each in range(len(counts))) < len(counts)
        seen.update(rows)
    for each in range(len(counts)):  # A pass over a class ends before the next one begins.
        times = [seen[row] for row in np.flatnonzero(classes == each)]
        assert max(times) - min(times) <= 1 + 4 * (len(counts) - 1)


def test_without_classes_each_image_is_taken_once() -> None:
    assert sorted(rows_of(Batches(images(12), 4, 3, seed=0), 5)) == list(range(12))


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (Regression(), "one class an image, and the task is regression"),
        (ComparedOutputs(), "nothing can be trained with it"),
        (Classification(class_weights="balanced"), "would both count small classes more"),
    ],
)
def test_what_a_task_cannot_be_trained_by_is_refused(task: object, message: str) -> None:
    schedule = Schedule(sampling="balanced")
    check_schedule(schedule, Classification(), "test")
    with pytest.raises(InputError, match=message):
        check_schedule(schedule, task, "test")  # type: ignore[arg-type]


def test_schedules_without_it_keep_their_keys() -> None:
    assert "sampling" not in Schedule().model_dump()
    assert Schedule(sampling="balanced").model_dump()["sampling"] == "balanced"
