"""Flags of a training bound the techniques of a MODEL; several precisions are several files."""

import time
from typing import Any

import pytest

from edgecv.core.errors import InputError
from edgecv.models.training.estimate import duration, seconds_of
from edgecv.pipeline.export import format_notes, planned_exports
from edgecv.pipeline.recipe.from_flags import CompressOptions, TrainOptions
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.targets.board import profile_named

pytestmark = pytest.mark.quick


def recipe(**options: Any) -> Recipe:
    return CompressOptions(**{"model": "m.keras", "data": "digits", **options}).to_recipe()


def trainings(made: Recipe) -> dict[str, Any]:
    return {each.name: each.training for each in made.techniques}  # type: ignore[attr-defined]


def test_flags_bound_each_training_of_a_model() -> None:
    made = recipe(prune="0.5", qat=True, epochs=2, learning_rate=0.01, batch=64, patience=3)
    for training in trainings(made).values():
        assert (training.epochs, training.minimum_steps) == (2, 0)
        assert (training.learning_rate, training.batch, training.patience) == (0.01, 64, 3)
    own = recipe(prune="0.5", batch=64)
    assert trainings(own)["prune"].epochs == trainings(recipe(prune="0.5"))["prune"].epochs


def test_what_is_not_trained_gets_no_schedule() -> None:
    made = recipe(shrink="0.5", distil=True, epochs=2)
    assert trainings(made)["distil"].epochs == 2
    assert trainings(made)["shrink"] == trainings(recipe(shrink="0.5", distil=True))["shrink"]


def test_a_board_is_a_target_of_shrink() -> None:
    board = profile_named("nucleo-f446re")
    limits = {"int8_bytes": board.flash_bytes, "arena_bytes": board.ram_bytes}
    made = recipe(profile="nucleo-f446re")
    assert made.name.endswith("-nucleo-f446re-int8")
    (alone,) = made.techniques
    assert alone.model_dump(include={*limits}) == limits
    assert trainings(recipe(profile="nucleo-f446re", epochs=2))["shrink"].epochs == 2
    both = recipe(profile="nucleo-f446re", shrink="35KB", qat=True)
    assert [each.name for each in both.techniques] == ["shrink", "qat"]
    assert both.techniques[0].model_dump(include={*limits}) == {**limits, "int8_bytes": 35_000}
    with pytest.raises(InputError, match='"int8_bytes" is of an int8 tflite file'):
        recipe(profile="nucleo-f446re", formats=("onnx",))
    with pytest.raises(InputError, match='there is no profile "nucleo"'):
        recipe(profile="nucleo")


def test_without_a_model_they_are_of_the_baseline() -> None:
    made = CompressOptions(
        data="digits", prune="0.5", epochs=2, learning_rate=0.01, patience=3
    ).to_recipe()
    assert (made.schedule.epochs, made.schedule.learning_rate) == (2, 0.01)
    assert trainings(made) == trainings(recipe(prune="0.5"))


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"epochs": 2}, "--epochs: is for a training, and MODEL is only converted"),
    ({"learning_rate": 0.1}, "--lr: is for a training"),
    ({"qat": True, "learning_rate": 0.0}, "--lr"),
    ({"qat": True, "batch": 0}, "--batch"),
    ({"qat": True, "patience": 0}, "--patience"),
    ({"class_weights": "balanced"}, "--class-weights: is for a training, and MODEL is only"),
    (
        {"qat": True, "class_weights": "3=0"},
        '--class-weights: "3=0"; accepted: balanced, or CLASS=',
    ),
    ({"qat": True, "class_weights": "3=inf"}, '--class-weights: "3=inf"'),
    ({"qat": True, "class_weights": "balanced,3=1"}, '--class-weights: "balanced"; accepted'),
    ({"qat": True, "class_weights": "3=1", "task": "regression"}, "the task regression has no"),
    ({"qat": True, "optimizer": "lion"}, "--optimizer"),
    ({"prune": "0.5", "mixed_precision": "bfloat16"}, "a copy, and zeros would not stay"),
    ({"qat": True, "mixed_precision": "bfloat16"}, "a copy, and quantizers would not stay"),
    ({"quantize": ("int8", "int9")}, '"int9" is not known'),
    ({"quantize": "int8,float16", "formats": "onnx"}, "onnx files cannot be written so"),
    ({"quantize": "none,float16", "io": "int8"}, "--io: is for int8 files"),
]


@pytest.mark.parametrize(("options", "message"), WRONG)
def test_what_is_wrong_is_said_by_its_flag(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        recipe(**options)
    assert message in str(caught.value)


def test_classes_have_weights_by_name() -> None:
    made = CompressOptions(data="digits", class_weights="3=2, 4=0.5", optimizer="sgd").to_recipe()
    assert made.task.model_dump()["class_weights"] == {"3": 2.0, "4": 0.5}
    assert made.schedule.optimizer == "sgd"
    again = parse_recipe(made.table(), "again")
    assert again.task == made.task
    assert recipe(qat=True, class_weights="balanced").task_is_given


NEW: list[tuple[dict[str, Any], str]] = [
    (
        {"from_model": "m.keras", "freeze": "9", "epochs": 3},
        "--freeze: is 9, and the training has 3 epochs; accepted: up to 3, or all",
    ),
    ({"from_model": "m.keras", "freeze": "1", "minutes": 2}, "--freeze: counts epochs"),
    ({"training_device": "tpu"}, "accepted: cpu, gpu, gpu:0"),
]


@pytest.mark.parametrize(("options", "message"), NEW)
def test_wrong_options_of_a_baseline_are_said_before_anything_is_opened(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError) as caught:
        CompressOptions(data="digits", **options).to_recipe()
    assert message in str(caught.value)


def test_weights_of_classes_are_a_dictionary_in_python() -> None:
    options: Any = {"data": "digits", "class_weights": {"3": 2, "4": 0.5}}
    task = TrainOptions(**options).to_recipe().task
    assert task.model_dump()["class_weights"] == {"3": 2.0, "4": 0.5}


def test_several_precisions_are_files_of_their_own() -> None:
    made = recipe(quantize="INT8,float16", calibration_images=50, io="int8")
    names = [each.name for each in planned_exports(made)]
    assert names == ["float32.tflite", "int8.tflite", "float32.onnx", "int8.onnx", "float16.tflite"]
    assert [each.calibration_images for each in made.exports] == [50, 50, None]
    assert made.name == "digits-m-int8-float16"
    assert format_notes(made) == (
        "float16 is written as tflite alone: onnx files cannot be float16",
    )
    again = recipe(quantize=("int8", "float16"), calibration_images=50, io="int8")
    assert again.exports == made.exports
    assert format_notes(recipe()) == ()


def test_a_time_is_rough() -> None:
    assert duration(0.1) == "5 seconds"
    assert duration(58) == "60 seconds"
    assert duration(60) == "1 minute"


def test_one_slow_call_does_not_make_an_estimate() -> None:
    """The second call waited for another program: 35 minutes were called 10.4 hours."""
    waits = iter((0.0, 0.2, 0.0, 0.0, 0.0, 0.0))
    assert seconds_of(lambda: time.sleep(next(waits))) < 0.1
