"""Attention transfer: the student looks where its teacher looks."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bars import bars

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.tf import load_tensorflow, set_seed
from edgecv.models.training.attention import common_sizes, distance, with_activations
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.loop import fit
from edgecv.models.training.losses import Teacher
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.distil import Distil

DATA = Dataset(
    "bars",
    ("top", "bottom"),
    *(bars(count, seed, (8, 8, 1)) for seed, count in enumerate((96, 8, 32, 32))),
)


def network(seed: int, filters: int, *strides: int) -> Any:
    set_seed(seed)
    _, keras = load_tensorflow()
    layers = keras.layers
    image = x = keras.Input((8, 8, 1))
    x = layers.Rescaling(1 / 255)(x)
    for stride in strides:
        x = layers.Conv2D(filters, 3, stride, "same", activation="relu")(x)
    x = layers.Dense(2)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(image, layers.Softmax()(x))


def attention_apart(student: Any, teacher: Any) -> float:
    sizes = common_sizes(student, teacher)
    pixels = DATA.test.images.astype(np.float32)
    own, theirs = (with_activations(each, each, sizes)(pixels)[1] for each in (student, teacher))
    return float(np.mean(distance(own, theirs)))


def taught(folder: Path, weight: float, teacher: Any) -> Any:
    student = network(5, 3, 1, 2)
    fit(
        student,
        DATA,
        Classification(),
        Schedule(epochs=6, minimum_steps=0, batch=16, learning_rate=0.02),
        seed=7,
        checkpoint=folder / f"{weight}.npz",
        on_event=lambda event: None,
        teacher=Teacher(teacher, Distillation(mix=0.5, attention=weight)),
    )
    return student


def test_a_student_looks_where_its_teacher_looks(tmp_path: Path) -> None:
    teacher = network(1, 8, 1, 2, 2)
    without, with_it = (taught(tmp_path, weight, teacher) for weight in (0.0, 10.0))
    assert attention_apart(with_it, teacher) < 0.5 * attention_apart(without, teacher)


def test_sizes_are_those_of_layers_that_learn_and_that_both_have() -> None:
    assert common_sizes(network(0, 3, 2, 2), network(0, 4, 1, 2, 2)) == ((4, 4), (2, 2))
    with pytest.raises(InputError) as error:
        common_sizes(network(0, 3, 4), network(0, 4, 1))
    assert "student's activations have the sizes 2x2, the teacher's 8x8" in str(error.value)


def test_attention_without_a_teacher_to_learn_from_is_refused() -> None:
    with pytest.raises(InputError, match="attention needs a mix below 1"):
        parse_options(Distillation, {"mix": 1.0, "attention": 2.0}, "distil")


def test_stored_trainings_keep_their_keys_and_a_step_hands_on_all_its_options() -> None:
    assert list(Distillation().model_dump()) == ["temperature", "mix"]
    assert Distil(attention=3.0).distillation == Distillation(attention=3.0)
    assert "attention" not in Distil().model_dump()
    assert Distil(attention=3.0).model_dump()["attention"] == 3.0
