"""Batches that come again: a teacher is asked once for each of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bars import bars, tiny
from weights import weights_sha256

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.options import parse_options
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.tf import load_tensorflow
from edgecv.models.training import distillation
from edgecv.models.training.checkpoint import Epoch
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.loop import fit
from edgecv.models.training.losses import Teacher
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.distil import Distil

EPOCHS, STEPS = 6, 4
SCHEDULE = Schedule(
    epochs=EPOCHS, minimum_steps=0, batch=16, learning_rate=0.02, mirror=True, shift=2, mixup=0.3
)
DATA = Dataset(
    "bars",
    ("top", "bottom"),
    *(bars(count, seed, (8, 8, 1)) for seed, count in enumerate((16 * STEPS, 8, 32, 32))),
)
Fit = Callable[..., tuple[Any, tuple[Epoch, ...]]]


class Interruption(Exception):
    pass


@pytest.fixture(autouse=True)
def any_number_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distillation, "LEAST_STEPS", 1)


@pytest.fixture(scope="module")
def teacher() -> Any:
    return tiny(seed=3)


@pytest.fixture
def taught(tmp_path: Path, teacher: Any) -> Fit:
    """Return a student with dropout that was taught in some views, and its epochs."""

    def run(
        views: int | None,
        on_event: Callable[[Event], None] = lambda event: None,
        name: str = "",
        **options: Any,
    ) -> tuple[Any, tuple[Epoch, ...]]:
        _, keras = load_tensorflow()
        student = tiny(0, keras.layers.Dropout(0.3))
        history = fit(
            student,
            DATA,
            Classification(),
            SCHEDULE.model_copy(update=options),
            seed=7,
            checkpoint=tmp_path / f"{name or views}.npz",
            on_event=on_event,
            teacher=Teacher(teacher, Distillation(mix=0.5, views=views)),
        )
        return student, history

    return run


def losses(history: tuple[Epoch, ...]) -> list[float]:
    return [each.loss for each in history]


def test_the_first_views_are_those_of_a_training_without_and_others_follow_never(
    taught: Fit,
) -> None:
    without, all_anew, two = (losses(taught(views)[1]) for views in (None, EPOCHS, 2))
    np.testing.assert_allclose(all_anew, without, rtol=1e-4)
    np.testing.assert_allclose(two[:2], without[:2], rtol=1e-4)
    assert not np.allclose(two[2:], without[2:], rtol=1e-3)


@pytest.mark.parametrize("views", [1, 2, EPOCHS + 1])
def test_a_teacher_is_asked_once_for_each_batch(taught: Fit, asked: list[int], views: int) -> None:
    taught(views)
    assert asked.count(16) == min(views, EPOCHS) * STEPS
    assert len(asked) == asked.count(16) + 1  # The images of validation, at once.


def test_what_is_not_kept_is_asked_again_with_the_same_result(
    taught: Fit, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = taught(2, name="kept")
    monkeypatch.setattr("edgecv.models.training.trainer.MOST_BYTES_OF_VIEWS", 300)
    assert weights_sha256(taught(2, name="asked")[0]) == weights_sha256(expected)


def test_an_interruption_changes_nothing(taught: Fit) -> None:
    expected, _ = taught(2, name="whole")

    def interrupt(event: Event) -> None:
        if event.stage == "step" and event.values["epoch"] > 3:
            raise Interruption

    with pytest.raises(Interruption):
        taught(2, interrupt, name="cut")
    assert weights_sha256(taught(2, name="cut")[0]) == weights_sha256(expected)


def test_minutes_are_filled_with_epochs(taught: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecv.models.training.pace.seconds_of", lambda call: call() and 1.0)
    # A pass takes 4 steps of 1 s, and 2 s for validation; 4 s more while its batches are new.
    assert len(taught(2, name="two", minutes=1)[1]) == (60 - 2 * 4) // 6
    assert len(taught(9, name="nine", minutes=1)[1]) == (60 - 6 * 4) // 6


def test_few_images_are_varied_more_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    assert Distillation(views=10).epochs_varied(steps=363) == 10
    assert Distillation(views=10).epochs_varied(steps=3) == 667
    assert Distillation().epochs_varied(steps=3) is None


def test_views_beside_attention_are_refused() -> None:
    with pytest.raises(InputError, match="attention needs activations"):
        parse_options(Distillation, {"attention": 2.0, "views": 3}, "distil")


def test_stored_trainings_keep_their_keys() -> None:
    assert "views" not in Distillation().model_dump()
    assert Distillation(views=3).model_dump()["views"] == 3
    assert Distil(views=3).distillation == Distillation(views=3)
