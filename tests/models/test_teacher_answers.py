"""A teacher is asked once for the validation images, and the training is the same as before."""

from dataclasses import astuple, replace
from pathlib import Path
from typing import Any

import pytest
from bars import bars
from weights import weights_sha256

from edgecv.core.data import Dataset
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.tf import keras, set_seed
from edgecv.models.training import evaluation, teacher_answers
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.loop import fit
from edgecv.models.training.losses import Teacher
from edgecv.models.training.schedule import Schedule

SHAPE = (8, 8, 1)
DATA = Dataset("bars", ("top", "bottom"), *(bars(n, n, SHAPE) for n in (32, 10, 40, 41)))
QUICK = Schedule(epochs=3, minimum_steps=0, batch=16, learning_rate=0.02)


def tiny(seed: int) -> Any:
    set_seed(seed)
    layers = keras.layers
    return keras.Sequential(
        [layers.InputLayer(SHAPE), layers.Flatten(), layers.Dense(2), layers.Softmax()]
    )


def test_answers_are_asked_for_once_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[int]
) -> None:
    monkeypatch.setattr(evaluation, "BATCH", 16)
    teacher = Teacher(tiny(3), Distillation(mix=0.3))
    found = {}
    for name, kept, times in (("kept", 2**27, 1), ("one", 16 * 2 * 4, 7), ("none", 0, 9)):
        monkeypatch.setattr(teacher_answers, "MOST_BYTES_KEPT", kept)
        asked.clear()
        student = tiny(5)
        history = fit(
            student, DATA, Classification(), QUICK, seed=7, teacher=teacher,
            checkpoint=tmp_path / f"{name}.npz", on_event=lambda event: None,
        )  # fmt: skip
        epochs = [astuple(replace(each, seconds=0.0)) for each in history]
        found[name] = (weights_sha256(student), epochs)
        batches = [16, 16, 8]  # Of the 40 validation images.
        assert asked == (batches * 3 if times == 9 else [*batches, *([16, 8] * 2)][: max(3, times)])
    assert found["kept"] == found["one"] == found["none"]


def test_a_teacher_whose_fusions_have_no_kernel_teaches(tmp_path: Path) -> None:
    """TensorFlow fuses convolution, batch normalization and tanh into what the CPU cannot run."""
    set_seed(3)
    layers = keras.layers
    teacher = keras.Sequential(
        [
            layers.InputLayer(SHAPE),
            layers.Conv2D(4, 3, use_bias=False),
            layers.BatchNormalization(),
            layers.Activation("tanh"),
            layers.Flatten(),
            layers.Dense(2),
            layers.Softmax(),
        ]
    )
    history = fit(
        tiny(5), DATA, Classification(), QUICK, seed=7,
        teacher=Teacher(teacher, Distillation(mix=0.3)),
        checkpoint=tmp_path / "epoch.npz", on_event=lambda event: None,
    )  # fmt: skip
    assert len(history) == QUICK.epochs


@pytest.mark.parametrize("views", [None, 1])
def test_models_are_compiled_once_for_all_batches(tmp_path: Path, views: int | None) -> None:
    """One graph gives their answers for any number of images; a step computes in its own."""
    calls: dict[str, int] = {"teacher": 0, "student": 0}

    def counted(name: str, seed: int) -> Any:
        def count(images: Any) -> Any:
            calls[name] += 1
            return images

        whole = tiny(seed)
        layers = [keras.layers.InputLayer(SHAPE), keras.layers.Lambda(count), *whole.layers]
        return keras.Sequential(layers)

    teacher = Teacher(counted("teacher", 3), Distillation(mix=0.3, views=views))
    student = counted("student", 5)
    before = dict(calls)
    fit(
        student, DATA, Classification(), QUICK, seed=7, teacher=teacher,
        checkpoint=tmp_path / "epoch.npz", on_event=lambda event: None,
    )  # fmt: skip
    assert calls["teacher"] - before["teacher"] == (2 if views is None else 1)
    assert calls["student"] - before["student"] == 2
