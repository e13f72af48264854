"""A baseline that starts from a trained model: by flags, by a recipe, stored, and refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from marks import SIDE, recipe
from refusals import refusal_of

from edgecv.core.registry import ARCHITECTURES, TASKS
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.models.tf import keras, set_seed
from edgecv.pipeline.context import open_run
from edgecv.pipeline.recipe.from_flags import CompressOptions, TrainOptions
from edgecv.pipeline.recipe.parts import BackboneOptions, BaselineOptions
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.run import run, train
from edgecv.pipeline.stored_training import Training
from edgecv.pipeline.user_models.backbone import check_backbone
from edgecv.pipeline.user_models.trained import TrainedModel
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


def test_a_stored_run_is_judged_again_while_the_file_is_the_same(
    store: Store, tmp_path: Path
) -> None:
    path = write_backbone(tmp_path / "own.keras", seed=4)
    made = plan(path, freeze="all")
    made = made.replace(settings=made.settings.model_copy(update={"name": "judged"}))
    first = run(made, store)
    stricter = made.replace(gates=Limits(max_drop_points=50.0))
    assert "max_drop" in str([gate.name for gate in run(stricter, store).gates])
    assert first.baseline is not None
    write_backbone(path, seed=5)
    looser = made.replace(gates=Limits(max_drop_points=60.0))
    assert "is not what it was made of any more" in refusal_of(lambda: run(looser, store))


@pytest.mark.parametrize("suffix", [".keras", ".h5", ".weights.h5", "-alone.h5"])
def test_an_architecture_starts_from_weights(store: Store, tmp_path: Path, suffix: str) -> None:
    made = recipe(TASKS.parse({"task": "classification"}, "test"))
    old = made.architecture.build((SIDE, SIDE, 1), ClassHead(7))
    path = tmp_path / f"old{suffix}"
    (old.save if suffix in (".keras", ".h5") else old.save_weights)(path)
    baseline = made.baseline.model_copy(update={"backbone": BackboneOptions(weights=str(path))})
    with open_run(store, made.settings) as context:
        new = TrainedModel.open(made.replace(baseline=baseline), context).untrained
    for layer in old.layers:
        if layer.weights and layer.name != "logits":
            for one, other in zip(layer.weights, new.get_layer(layer.name).weights, strict=True):
                np.testing.assert_array_equal(one, other)
    assert new.output_shape == (None, 3)


def test_weights_that_fit_no_layer_are_named_with_both_shapes(store: Store, tmp_path: Path) -> None:
    made = recipe(TASKS.parse({"task": "classification"}, "test"))

    def started(name: str, model: Any) -> str:
        model.save_weights(tmp_path / name)
        options = BackboneOptions(weights=str(tmp_path / name))
        own = made.replace(baseline=made.baseline.model_copy(update={"backbone": options}))
        return refusal_of(lambda: train(own, store))

    wider = ARCHITECTURES.parse({"architecture": "regressor", "width": 4, "depth": 2}, "test")
    assert "which takes 3x3x" in started("wide.h5", wider.build((SIDE, SIDE, 1), ClassHead(7)))
    other = ARCHITECTURES.parse({"architecture": "plain_cnn"}, "test")
    assert "has no weights for" in started("other.h5", other.build((32, 32, 3), ClassHead(7)))
    (tmp_path / "none.h5").write_bytes(b"\x89HDF\r\n\x1a\n and nothing")
    options = BackboneOptions(weights=str(tmp_path / "none.h5"))
    own = made.replace(baseline=made.baseline.model_copy(update={"backbone": options}))
    assert "HDF5 cannot read it" in refusal_of(lambda: train(own, store))


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
    ({"freeze": 3}, "--freeze: is for layers that are trained already; give --from or"),
    ({"from_model": "a.keras", "freeze": "most"}, "--freeze"),
    ({"from_model": "a.keras", "model": "b.keras"}, "--from: cannot be given beside MODEL"),
    ({"from_model": "a.keras", "weights": "w.h5"}, "--weights: cannot be given beside --from"),
    ({"from_model": "a.keras", "labels": "l.txt"}, "--labels: goes with a MODEL"),
    ({"input_size": "0x3"}, "--input-size"),
]


@pytest.mark.quick
@pytest.mark.parametrize(("options", "message"), WRONG)
def test_options_that_exclude_each_other_are_refused(options: dict[str, Any], message: str) -> None:
    assert message in refusal_of(lambda: CompressOptions(data="digits", **options).to_recipe())


@pytest.mark.quick
@pytest.mark.parametrize("name", ["a.tflite", "a.txt"])
def test_only_files_with_layers_are_accepted(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"none")
    made = CompressOptions(data="digits", from_model=path).to_recipe()
    backbone = made.baseline.backbone
    assert backbone is not None
    said = refusal_of(lambda: check_backbone(made, backbone))
    assert "accepted: .keras, .h5 and .hdf5" in said
    assert "onnx" not in said


@pytest.mark.quick
def test_a_recipe_names_one_start() -> None:
    table = {
        "name": "x",
        "data": {"source": "digits"},
        "export": [{"format": "tflite", "precision": "int8"}],
    }
    for baseline, message in (
        (
            {"backbone": {"model": "a.keras"}, "architecture": "ds_cnn"},
            "names a model to start from and",
        ),
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
