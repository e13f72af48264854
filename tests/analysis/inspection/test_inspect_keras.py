"""Keras models of other shapes than the ones that are compressed here."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgecv.formats.contents import Contents
from edgecv.formats.keras import inspect as keras
from edgecv.models.tf import load_tensorflow


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., Contents]:
    """Return a function: model -> what is in its file."""

    def save_and_read(model: Any, suffix: str = ".keras") -> Contents:
        path = tmp_path / f"model{suffix}"
        model.save(path)
        return keras.read(path, suffix)

    return save_and_read


def layers() -> Any:
    return load_tensorflow()[1].layers


def model(inputs: Any, outputs: Any) -> Any:
    return load_tensorflow()[1].Model(inputs, outputs)


def test_several_inputs_and_outputs(read) -> None:
    left, right = layers().Input((8, 8, 3), name="left"), layers().Input((4,), name="right")
    value = layers().Flatten()(layers().Conv2D(2, 3, name="conv")(left))
    value = layers().Concatenate(name="both")([value, right])
    ends = [layers().Dense(5, name="first")(value), layers().Dense(2, name="second")(value)]
    contents = read(model([left, right], ends))
    assert [(end.name, end.shape) for end in contents.inputs] == [
        ("left", (-1, 8, 8, 3)),
        ("right", (-1, 4)),
    ]
    assert [end.name for end in contents.outputs] == ["first", "second"]
    assert contents.macs == 36 * 2 * 27 + 76 * 5 + 76 * 2


def test_open_sides_are_said_and_parameters_still_counted(read) -> None:
    image = layers().Input((None, None, 3), name="image")
    value = layers().GlobalAveragePooling2D()(layers().Conv2D(8, 3, name="conv")(image))
    contents = read(model(image, layers().Dense(2, name="dense")(value)))
    by_name = {each.name: each for each in contents.operators}
    assert by_name["conv"].macs is None
    assert by_name["conv"].parameters == 224
    assert by_name["dense"].macs == 16
    assert contents.parameters == 224 + 18
    assert contents.peak_activation_bytes is None
    assert "what depends on shapes is not known" in contents.notes[0]


def test_layers_that_costs_do_not_follow_are_counted_by_their_kernel(read) -> None:
    video = layers().Input((4, 8, 8, 3), name="video")
    contents = read(model(video, layers().Conv3D(2, 3, name="conv")(video)))
    assert contents.macs == 2 * 6 * 6 * 2 * 81


def test_layers_that_multiply_in_ways_of_their_own_have_no_count(read) -> None:
    image = layers().Input((6, 8), name="image")
    value = layers().PReLU(name="slope")(image)
    value = layers().Dot(axes=(2, 2), name="dot")([value, value])
    contents = read(model(image, layers().Dense(2, name="dense")(value)))
    macs = {each.name: each.macs for each in contents.operators}
    assert macs == {"slope": 0, "dot": None, "dense": 6 * 6 * 2}
    assert (contents.macs, contents.known_macs) == (None, 72)


def test_quantizers_are_named_and_what_they_wrap_is_counted(read) -> None:
    import tiny_models
    from tensorflow_model_optimization.quantization.keras import (
        quantize_annotate_layer,
        quantize_apply,
    )

    def annotate(layer: Any) -> Any:
        return quantize_annotate_layer(layer) if layer.name.startswith("conv") else layer

    keras_models = load_tensorflow()[1].models
    annotated = keras_models.clone_model(tiny_models.plain(), clone_function=annotate)
    contents = read(quantize_apply(annotated), ".h5")
    assert contents.macs == 77_600
    assert [each.type for each in contents.operators if each.macs] == [
        "QuantizeWrapperV2(Conv2D)",
        "QuantizeWrapperV2(Conv2D)",
        "Dense",
        "Dense",
    ]
    assert any("ranges and counters of" in note for note in contents.notes)


def test_a_layer_that_is_called_twice_has_its_weights_once(read) -> None:
    image = layers().Input((4,), name="image")
    dense = layers().Dense(4, name="dense")
    contents = read(model(image, dense(dense(image))))
    assert [(e.macs, e.parameters, e.weight_bytes) for e in contents.operators] == [
        (16, 20, 80),
        (16, 0, 0),
    ]
