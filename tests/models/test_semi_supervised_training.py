"""Training on what a teacher says of images without labels, beside the labelled ones."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bars import bars, tiny
from weights import weights_sha256

from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.events import Event
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.training.batches import Batches
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.loop import fit
from edgecv.models.training.losses import Teacher
from edgecv.models.training.schedule import Schedule

SHAPE = (8, 8, 1)
DATA = Dataset("bars", ("top", "bottom"), *(bars(n, n, SHAPE) for n in (32, 10, 40, 41)))
FURTHER = bars(100, 5, SHAPE).images
QUICK = Schedule(epochs=4, minimum_steps=0, batch=16, learning_rate=0.02)


@pytest.mark.quick
def test_images_without_labels_come_in_whole_passes_of_the_step_alone() -> None:
    labelled = np.zeros((20, 1, 1, 1), np.uint8)
    further = np.arange(1, 8, dtype=np.uint8).reshape(7, 1, 1, 1)
    batches = Batches(labelled, 4, 5, 3, further)
    assert batches.unlabelled_batch == 4
    taken = [[*batches.of_epoch(epoch)] for epoch in range(3)]
    assert {len(images) for epoch in taken for images, _ in epoch} == {8}
    assert {len(rows) for epoch in taken for _, rows in epoch} == {4}
    seen = np.concatenate([images[4:, 0, 0, 0] for epoch in taken for images, _ in epoch])
    for start in range(0, 56, 7):
        assert sorted(seen[start : start + 7]) == [1, 2, 3, 4, 5, 6, 7]
    again = [images for images, _ in Batches(labelled, 4, 5, 3, further).of_epoch(2)]
    assert all((one == other).all() for one, (other, _) in zip(again, taken[2], strict=True))
    assert Batches(labelled, 9, 2, 3, further).unlabelled_batch == 7


def train(
    checkpoint: Path, model: Any, teacher: Teacher | None, data: Dataset = DATA, **others: Any
) -> None:
    given = {"schedule": QUICK, "on_event": lambda event: None, **others}
    fit(model, data, Classification(), seed=7, checkpoint=checkpoint, teacher=teacher, **given)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Any:
    model = tiny(0)
    train(tmp_path_factory.mktemp("teacher") / "epoch.npz", model, None)
    return model


class Interruption(Exception):
    pass


def test_an_interruption_changes_nothing(tmp_path: Path, teacher: Any) -> None:
    options = {"epochs": 3, "mixup": 0.3, "cutout": 2, "augment": {"colour": 0.1}}
    schedule = QUICK.model_copy(update=options)
    further = Teacher(teacher, Distillation(mix=0.3), FURTHER)
    whole, alone = tiny(1), tiny(1)
    messages: list[str] = []
    train(
        tmp_path / "whole.npz",
        whole,
        further,
        schedule=schedule,
        on_event=lambda event: messages.append(event.message),
    )
    assert any("2 steps of 16 images and 16 without labels" in each for each in messages)
    train(tmp_path / "alone.npz", alone, replace(further, unlabelled=None), schedule=schedule)
    assert weights_sha256(whole) != weights_sha256(alone)

    def interrupt(event: Event) -> None:
        if event.stage == "step" and event.values["epoch"] > 2:
            raise Interruption

    given = {"schedule": schedule, "on_event": interrupt}
    with pytest.raises(Interruption):
        train(tmp_path / "cut.npz", tiny(1), further, **given)
    resumed = tiny(9)
    train(tmp_path / "cut.npz", resumed, further, schedule=schedule)
    assert weights_sha256(resumed) == weights_sha256(whole)


def test_what_it_knows_of_images_without_labels_is_the_teachers(
    tmp_path: Path, teacher: Any
) -> None:
    """The labelled images are all of one class: the other one is only seen without labels."""
    rows = np.flatnonzero(DATA.train.labels == 0)
    top = Split(DATA.train.images[rows], DATA.train.labels[rows], "top")
    student = tiny(2)
    data, long = replace(DATA, train=top), QUICK.model_copy(update={"epochs": 20})
    train(
        tmp_path / "epoch.npz", student, Teacher(teacher, Distillation(mix=0.1), FURTHER), data,
        schedule=long,
    )  # fmt: skip

    def accuracy(model: Any) -> float:
        predictions = model(DATA.test.images.astype(np.float32)).numpy()
        return Classification().metric(Outputs.one(predictions), DATA.test.labels)

    assert accuracy(teacher) > 0.9
    assert accuracy(student) > 0.8
