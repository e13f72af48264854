"""Which class opens what people bring, and what is refused before anything slow."""

import sys
from pathlib import Path

import numpy as np
import pytest

from edgecv.core.data import UNKNOWN_LABEL, Dataset, Split
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.output_shape import OutputShape
from edgecv.core.registry import ARCHITECTURES, TASKS
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.models.tf import keras_bytes
from edgecv.pipeline import user_models
from edgecv.pipeline.context import open_run
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models import UserModel, check_user_model, open_user_model
from edgecv.pipeline.user_models.keras import KerasModel
from edgecv.pipeline.user_models.trained import TrainedModel
from edgecv.pipeline.user_models.user_model import fitted_to_task
from edgecv.system.storage import Store


def recipe_of(model: Path | None, **flags: object) -> Recipe:
    path = None if model is None else str(model)
    return CompressOptions(model=path, data="digits", formats=("tflite",), **flags).to_recipe()


def opened(recipe: Recipe, folder: Path) -> tuple[UserModel, list[str]]:
    events: list[Event] = []
    with open_run(Store(folder / "exported"), recipe.settings, events.append) as context:
        return open_user_model(recipe, context), [event.message for event in events]


@pytest.fixture(scope="module")
def keras_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("brought") / "model.keras"
    path.write_bytes(
        keras_bytes(ARCHITECTURES.classes["cifar_cnn"]().build((32, 32, 3), ClassHead(10)))
    )
    return path


def test_no_model_is_an_architecture_that_is_not_trained_until_its_file_is_asked_for(
    tmp_path: Path,
) -> None:
    model, _ = opened(recipe_of(None), tmp_path)
    assert type(model) is TrainedModel
    assert model.untrained.count_params() == 122_570
    assert not (tmp_path / "exported").exists()


def test_a_keras_file_serves_as_it_is(keras_file: Path, tmp_path: Path) -> None:
    model, said = opened(recipe_of(keras_file), tmp_path)
    assert type(model) is KerasModel
    assert model.original.path == keras_file
    assert model.source is model.original
    assert model.keras_model.count_params() == 122_570
    assert f"opening the model {keras_file}" in said
    assert all(note in said for note in model.notes)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("gone.keras", None, "there is no file"),
        ("gone.onnx", None, "there is no file"),
        ("noise.keras", b"noise", "is no model by its content"),
        ("int8.tflite", b"", r"is a finished TFLite file, .*edgecv pack makes this file smaller"),
        ("noise.onnx", b"noise", "is an ONNX file, which cannot be written as tflite"),
    ],
)
def test_what_cannot_be_opened_or_asked_for_is_refused_at_once(
    name: str, content: bytes | None, message: str, tmp_path: Path
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=message):
        check_user_model(recipe_of(tmp_path / name))


def test_the_ending_decides_for_a_format_that_says_so(keras_file: Path, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(keras_file.read_bytes())
    with pytest.raises(InputError, match="is an ONNX file"):
        check_user_model(recipe_of(path))


def test_a_folder_without_layers_cannot_be_pruned(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "saved_model.pb").write_bytes(b"")
    with pytest.raises(InputError, match=r"is a SavedModel: .*--trust-model"):
        check_user_model(recipe_of(tmp_path / "folder"))
    check_user_model(recipe_of(tmp_path / "folder", trust_model=True))
    with pytest.raises(InputError, match="is a saved_model and has no layers to train: prune"):
        check_user_model(recipe_of(tmp_path / "folder", trust_model=True, prune="0.5"))


TOY = '''
from typing import ClassVar
from edgecv.core.errors import InputError
from edgecv.pipeline.user_models.keras import KerasModel

class ToyModel(KerasModel):
    """A kind that this test adds."""

    name: ClassVar[str] = "toy"
    suffixes: ClassVar[tuple[str, ...]] = (".toy",)

    @classmethod
    def check(cls, recipe):
        raise InputError(str(recipe.baseline.model), "is a toy")
'''


def test_another_kind_is_one_class_in_one_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "toy.py").write_text(TOY)
    (tmp_path / "model.toy").write_bytes(b"")
    monkeypatch.setattr(user_models, "__path__", [*user_models.__path__, str(tmp_path)])
    user_models.kinds.cache_clear()
    try:
        with pytest.raises(InputError, match="is a toy"):
            check_user_model(recipe_of(tmp_path / "model.toy"))
    finally:
        user_models.kinds.cache_clear()
        sys.modules.pop(f"{user_models.__name__}.toy", None)


@pytest.mark.quick
def test_names_that_a_task_does_not_take_are_refused(tmp_path: Path) -> None:
    """--labels was accepted for a detector, and its classes stayed in the order of the data."""
    model, labels = tmp_path / "model.keras", tmp_path / "labels.txt"
    model.touch()
    labels.write_text("b\na\n")
    detection = TASKS.parse({"task": "detection"}, "test")
    recipe = recipe_of(model, labels=str(labels)).replace(task=detection, task_is_given=True)
    images = np.zeros((3, 8, 8, 3), np.uint8)
    split = Split(images, np.full(3, UNKNOWN_LABEL), "0" * 64)
    data = Dataset("boxes", ("a", "b"), split, split, split, split, has_labels=False)
    outputs = [OutputShape(name="boxes", shape=(20, 4)), OutputShape(name="scores", shape=(20, 2))]
    with pytest.raises(InputError, match="the task detection takes them by their numbers"):
        fitted_to_task(recipe, data, outputs, "numbers", "model.keras")
