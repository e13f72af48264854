"""Transfer learning: where a backbone ends, what is frozen, and that a kill changes nothing."""

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bars import bars
from weights import weights_sha256

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.evaluation.tasks.classification import Classification
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.evaluation.tasks.regression.numbers_head import scaled
from edgecv.models.backbone import Backbone, with_new_head
from edgecv.models.frozen_layers import frozen_layers
from edgecv.models.tf import keras, set_seed
from edgecv.models.training.schedule import Schedule
from edgecv.models.training.transfer import fit_stages, stages

SHAPE = (8, 8, 1)
DATA = Dataset(
    "bars",
    ("top", "bottom"),
    *(bars(images, seed, SHAPE) for seed, images in enumerate((120, 10, 40, 40), start=1)),
)
QUICK = Schedule(epochs=4, minimum_steps=0, batch=16, learning_rate=0.02, shift=1, mirror=False)


def trained(*ends: Any) -> Any:
    """Return a model of three classes: a convolution, a batch normalization, and what is given."""
    set_seed(3)
    layers = keras.layers
    image = layers.Input(SHAPE)
    x = layers.Conv2D(4, 3, name="conv")(layers.Rescaling(1 / 255)(image))
    x = layers.BatchNormalization(name="norm")(x)
    for layer in ends or (layers.Flatten(), layers.Dropout(0.1), layers.Dense(3), layers.Softmax()):
        x = layer(x)
    return keras.Model(image, x)


def with_head(model: Any, layer: str | None = None, features: str = "row") -> Backbone:
    return with_new_head(model, ClassHead(2), features, layer, "old.keras")


@pytest.mark.parametrize(
    ("ends", "last", "left_out"),
    [
        (["Flatten", "Dense", "Softmax"], "flatten", "dense, softmax"),
        (["Flatten", "Dense", "ReLU", "Dropout", "Dense"], "dropout", "dense_1"),
        (["GlobalAveragePooling2D"], "global_average_pooling2d", ""),
        (["ReLU"], "re_lu", ""),
        (["Conv1x1", "GlobalAveragePooling2D", "Softmax"], "norm", "conv2d"),
    ],
)
def test_the_last_weights_are_the_head(ends: list[str], last: str, left_out: str) -> None:
    keras.backend.clear_session()
    options = {"Dense": (3,), "Dropout": (0.1,)}
    made = [
        keras.layers.Conv2D(3, 1)
        if each == "Conv1x1"
        else getattr(keras.layers, each)(*options.get(each, ()))
        for each in ends
    ]
    model = trained(*made)
    backbone = with_head(model)
    assert backbone.sentence.startswith(f"the backbone ends at {last} (")
    assert left_out in backbone.sentence
    assert [each.name for each in backbone.model.layers][-2:] == ["logits", "probabilities"]
    assert backbone.model.output_shape == (None, 2)
    assert backbone.model.get_layer("conv") is model.get_layer("conv")


def test_what_is_left_out_is_found_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network was built for each layer of the model, only to name those left out."""
    model = trained()
    kind = type(model)
    built: list[int] = []
    begin = kind._init_graph_network

    def counting(*given: Any, **options: Any) -> Any:
        built.append(1)
        return begin(*given, **options)

    monkeypatch.setattr(kind, "_init_graph_network", counting)
    with_head(model)
    assert len(built) == 2, "the backbone, and the network with the new head"


def test_a_layer_can_be_named_and_what_does_not_fit_is_refused() -> None:
    model = trained()
    assert "ends at norm (6x6x4)" in with_head(model, "norm").sentence
    assert with_head(model, "norm", "map").model.output_shape == (None, 6, 6, 2)
    again = trained(keras.layers.Flatten(), keras.layers.Dense(3, name="logits"))
    with pytest.raises(InputError, match="has a layer called logits, and the new head has one"):
        with_head(again, "logits")
    with pytest.raises(InputError, match=r'old.keras: has no layer "nrom".*did you mean "norm"'):
        with_head(model, "nrom")
    with pytest.raises(InputError, match="gives 144 for an image, and the head takes a map"):
        with_head(model, None, "map")
    inner = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(3)], name="inner")
    with pytest.raises(InputError, match="ends in inner, a model within it"):
        with_head(trained(inner, keras.layers.Softmax()))


def train(folder: Path, model: Any, on_event: Any = lambda event: None) -> tuple[Backbone, Any]:
    backbone = with_head(model)
    history = fit_stages(
        backbone,
        DATA,
        Classification(),
        stages(QUICK, len(DATA.train), 2, 0.5),
        seed=7,
        checkpoints=lambda name: folder / f"key{name}",
        on_event=on_event,
    )
    return backbone, history


def test_the_backbone_is_frozen_first_and_its_averages_never_move(tmp_path: Path) -> None:
    model = trained()
    kernel, norm = (
        np.copy(each.numpy())
        for each in (model.get_layer("conv").kernel, model.get_layer("norm").moving_mean)
    )
    seen = []

    def look(event: Event) -> None:
        if event.stage == "epoch":
            seen.append(np.array_equal(model.get_layer("conv").kernel.numpy(), kernel))

    backbone, history = train(tmp_path, model, look)
    assert seen == [True, True, False, False]
    assert [each.epoch for each in history] == [1, 2, 3, 4]
    assert np.array_equal(model.get_layer("norm").moving_mean.numpy(), norm)
    assert all(layer.trainable for layer in backbone.layers), "as it was before"
    assert {path.name for path in tmp_path.iterdir()} == {"key-stage1.npz", "key-stage2.npz"}


class Interruption(Exception):
    pass


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_interruption_of_either_stage_changes_nothing(tmp_path: Path, epoch: int) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole, history = train(tmp_path / "whole", trained())
    done = 0

    def interrupt(event: Event) -> None:
        nonlocal done
        done += event.stage == "epoch"
        if done == epoch and event.stage == "step":
            raise Interruption

    with pytest.raises(Interruption):
        train(tmp_path / "killed", trained(), interrupt)
    resumed, again = train(tmp_path / "killed", trained())
    assert weights_sha256(resumed.model) == weights_sha256(whole.model)
    assert [each.validation_score for each in again] == [each.validation_score for each in history]


def test_a_stage_has_its_part_of_the_epochs() -> None:
    parts = partial(stages, QUICK.model_copy(update={"epochs": 10}), 120)
    first, second = parts(None, 0.1)
    assert first is not None
    assert second is not None
    assert (first.epochs, second.epochs, second.learning_rate) == (3, 7, 0.002)
    assert parts("all", 0.1)[1] is None
    assert parts(10, 0.1)[1] is None
    assert parts(0, 0.1)[0] is None
    with pytest.raises(InputError, match="--freeze: is 11, and the training has 10 epochs"):
        parts(11, 0.1)
    in_time = QUICK.model_copy(update={"minutes": 3.0})
    assert [each.minutes for each in stages(in_time, 120, None, 0.1) if each] == [1.0, 2.0]
    with pytest.raises(InputError, match="--freeze: counts epochs, and the training has minutes"):
        stages(in_time, 120, 2, 0.1)


def test_layers_that_a_file_has_frozen_are_fine_tuned() -> None:
    """Keras' usual transfer learning saves its base frozen: only the new head was trained."""
    base = trained(keras.layers.Flatten(), keras.layers.Dense(4, name="row"))
    base.get_layer("norm").moving_mean.assign(np.ones(4))
    base.trainable = False
    image = keras.Input(SHAPE)
    model = keras.Model(image, keras.layers.Dense(3, name="old_head")(base(image)))
    assert frozen_layers(model) == ["conv", "norm", "row"]
    assert frozen_layers(trained()) == []
    backbone = with_head(model)
    kernel = base.get_layer("conv").kernel
    with backbone.frozen(all_weights=True):
        assert not any(each is kernel for each in backbone.model.trainable_weights)
    with backbone.frozen(all_weights=False):
        assert any(each is kernel for each in backbone.model.trainable_weights)
    assert frozen_layers(backbone.model) == []


def test_a_scale_of_numbers_is_not_called_frozen() -> None:
    inner = keras.Input((4,))
    head = scaled("numbers", np.zeros(1), np.ones(1))
    model = keras.Model(inner, head(keras.layers.Dense(1)(inner)))
    assert frozen_layers(model) == []
