"""A baseline that starts from a trained model: by flags, by a recipe, stored, and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import SIDE, recipe
from refusals import refusal_of

from edgecv.core.registry import TASKS
from edgecv.models.tf import keras, set_seed
from edgecv.pipeline.baseline import Training
from edgecv.pipeline.recipe.from_flags import CompressOptions, TrainOptions
from edgecv.pipeline.recipe.parts import BackboneOptions, BaselineOptions
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.run import run, train
from edgecv.system.storage import Store

pytestmark = pytest.mark.usefixtures("marks_registered")


def plan(model: Path, **options: Any) -> Recipe:
    made = recipe(TASKS.parse({"task": "classification"}, "test"))
    backbone = BackboneOptions(model=str(model), **{"fine_tuning_rate": 0.5, **options})
    return made.replace(
        baseline=BaselineOptions(backbone=backbone),
        schedule=made.schedule.model_copy(update={"epochs": 12, "minimum_steps": 0}),
        exports=made.exports[:1],
    )


def write_backbone(path: Path, classes: int = 5, seed: int = 1) -> Path:
    set_seed(seed)
    layers = keras.layers
    stack = [
        layers.InputLayer((SIDE, SIDE, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(8, 3, strides=2),
        layers.BatchNormalization(),
        layers.ReLU(),
        layers.Flatten(),
        layers.Dense(classes),
        layers.Softmax(),
    ]
    keras.Sequential(stack).save(path)
    return path


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("backbones"))


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_backbone(tmp_path_factory.mktemp("given") / "old.keras")


@pytest.fixture(scope="module")
def trained(store: Store, backbone: Path) -> Training:
    return train(plan(backbone), store)


def test_it_is_trained_for_the_classes_of_the_data(trained: Training) -> None:
    assert trained.folder.name.startswith("marks-from-old-")
    assert trained.test.value > 0.9
    assert len(trained.history) == 12
    assert set(trained.architecture) == {"backbone"}
    model = keras.models.load_model(trained.folder / "model.keras")
    assert model.output_shape == (None, 3)
    assert all(layer.trainable for layer in model.layers), "what trains it on trains all of it"


def test_it_is_stored_by_the_content_of_the_file(
    trained: Training, store: Store, backbone: Path, tmp_path: Path
) -> None:
    assert train(plan(backbone), store).history == trained.history
    moved = tmp_path / "moved.keras"
    moved.write_bytes(backbone.read_bytes())
    for other in (
        plan(write_backbone(tmp_path / "old.keras", seed=2)),
        plan(backbone, freeze=2),
        plan(backbone, fine_tuning_rate=0.4),
    ):
        assert train(other, store).folder != trained.folder


def test_a_run_starts_from_it_and_names_the_file(
    trained: Training, store: Store, backbone: Path
) -> None:
    report = run(plan(backbone), store)
    assert report.baseline is not None
    assert report.baseline.value == pytest.approx(trained.test.value)
    table = report.recipe["baseline"]
    assert table["backbone"]["model"] == str(backbone)
    assert len(table["backbone"]["sha256"]) == 64
    assert "architecture" not in table
    again = parse_recipe({**report.recipe, "data": {"source": "marks"}}, "again")
    assert again.baseline.backbone is not None
    np.testing.assert_equal(again.table(), report.recipe)
    write_backbone(backbone.parent / "other.keras", seed=9)
    changed = again.baseline.backbone.model_copy(
        update={"model": str(backbone.parent / "other.keras")}
    )
    other = again.replace(baseline=again.baseline.model_copy(update={"backbone": changed}))
    assert "is not the file that the recipe was made with" in refusal_of(
        lambda: train(other, store)
    )


def test_it_is_asked_for_by_flags() -> None:
    made = TrainOptions(data="digits", from_model="old.keras", freeze="all").to_recipe()
    assert made.baseline.backbone == BackboneOptions(model="old.keras", freeze="all")
    assert made.name == "digits-from-old-int8"
    assert TrainOptions(data="digits", input_size="24x20").to_recipe().baseline.input_shape == (
        24,
        20,
        3,
    )


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"from_model": "a.keras", "architecture": "ds_cnn"},
        "--architecture: cannot be given beside --from",
    ),
    ({"freeze": 3}, "--freeze: is for layers that are trained already; give --from too"),
    ({"from_model": "a.keras", "freeze": "most"}, "--freeze"),
    ({"from_model": "a.keras", "model": "b.keras"}, "--from: cannot be given beside MODEL"),
    ({"from_model": "a.keras", "labels": "l.txt"}, "--labels: goes with a MODEL"),
    ({"input_size": "0x3"}, "--input-size"),
]


@pytest.mark.quick
@pytest.mark.parametrize(("options", "message"), WRONG)
def test_options_that_exclude_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    assert message in refusal_of(lambda: CompressOptions(data="digits", **options).to_recipe())


@pytest.mark.quick
def test_a_recipe_names_one_start() -> None:
    table = {
        "name": "x",
        "data": {"source": "digits"},
        "export": [{"format": "tflite", "precision": "int8"}],
    }
    for baseline, message in (
        ({"backbone": {"model": "a.keras"}, "architecture": "ds_cnn"}, "names a backbone and an"),
        ({"backbone": {"model": "a.keras"}, "model": "b.keras"}, "model is trained already"),
        ({"backbone": {"model": "a.keras"}, "input_shape": [8, 8, 1]}, "input_shape is for an"),
    ):
        assert message in refusal_of(lambda b=baseline: parse_recipe({**table, "baseline": b}, "r"))


def test_a_file_that_is_none_is_refused_before_anything(store: Store, tmp_path: Path) -> None:
    assert refusal_of(lambda: train(plan(tmp_path / "none.keras"), store)).startswith(
        "--from: there is no file"
    )
    (tmp_path / "text.keras").write_text("no model")
    assert "is no model by its content" in refusal_of(
        lambda: train(plan(tmp_path / "text.keras"), store)
    )
    keras.Sequential([keras.layers.InputLayer((4,)), keras.layers.Dense(2)]).save(
        tmp_path / "row.keras"
    )
    assert "has shape [-1, 4]" in refusal_of(lambda: train(plan(tmp_path / "row.keras"), store))
