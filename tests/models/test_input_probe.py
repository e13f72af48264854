"""Evidence on the pixels of a Keras model: its own rescaling, its first batch normalization."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.formats.keras.runtime import KerasSession
from edgecv.formats.onnx.runtime import OnnxRuntime
from edgecv.formats.saved_model.importer import SavedModelFolder
from edgecv.formats.trust import Trust
from edgecv.models.tf import load_tensorflow

IMAGES = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 3), dtype=np.uint8)
FRACTIONS = IMAGES.astype(np.float32) / 255
MEAN = [123.68, 116.779, 103.939]


def behind(*first: Any) -> Any:
    """Return a network whose first convolution is behind some layers."""
    _, keras = load_tensorflow()
    layers = [keras.Input((8, 8, 3)), *first, keras.layers.Conv2D(4, 3), keras.layers.Flatten()]
    return keras.Sequential([*layers, keras.layers.Dense(2)])


def rescaled(scale: float, offset: float) -> Any:
    return behind(load_tensorflow()[1].layers.Rescaling(scale, offset=offset))


def nested() -> Any:
    _, keras = load_tensorflow()
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.Rescaling(1 / 255), keras.layers.Conv2D(4, 3)]
    )
    return keras.Sequential([keras.Input((8, 8, 3)), inner, keras.layers.Flatten()])


def arithmetic() -> Any:
    """Return x / 127.5 - 1 as operators of TensorFlow, which are layers without a name of ours."""
    _, keras = load_tensorflow()
    image = keras.Input((8, 8, 3))
    hidden = keras.layers.Conv2D(4, 3)(image / 127.5 - 1.0)
    return keras.Model(image, keras.layers.Flatten()(hidden))


def caffe() -> Any:
    _, keras = load_tensorflow()
    image = keras.Input((8, 8, 3))
    turned = image[..., ::-1] - np.array(MEAN[::-1], np.float32)
    padded = keras.layers.ZeroPadding2D(1)(turned)
    return keras.Model(image, keras.layers.Flatten()(keras.layers.Conv2D(4, 3)(padded)))


def adapted(images: np.ndarray) -> Any:
    _, keras = load_tensorflow()
    layer = keras.layers.Normalization()
    layer.adapt(images)
    return behind(layer)


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (lambda: rescaled(1 / 255, 0.0), "0..1"),
        (lambda: rescaled(1 / 128, -1.0), "-1..0.992"),
        (nested, "0..1"),
        (arithmetic, "-1..1"),
        (caffe, "-124..151"),
        (lambda: adapted(IMAGES.astype(np.float32)), "-1.7"),
        (behind, ""),
        (lambda: rescaled(2.0, -1.0), ""),  # It takes pixels of 0..1.
        (lambda: adapted(FRACTIONS), ""),
    ],
)
def test_rescaling_is_seen_by_what_it_does(make: Callable[[], Any], expected: str) -> None:
    found = KerasSession(make()).evidence(IMAGES).rescaling
    assert found.startswith(f"its graph brings 0..255 to {expected}") if expected else not found


def normalized(*, is_nested: bool) -> Any:
    """Return a network whose batch normalization has seen fractions."""
    _, keras = load_tensorflow()
    layers = [
        keras.layers.Conv2D(8, 3),
        keras.layers.BatchNormalization(momentum=0.0),
        keras.layers.Flatten(),
    ]
    if is_nested:
        layers = [keras.Sequential([keras.Input((8, 8, 3)), *layers], name="backbone")]
    model = keras.Sequential([keras.Input((8, 8, 3)), *layers, keras.layers.Dense(2)])
    model(FRACTIONS, training=True)
    return model


@pytest.mark.parametrize("is_nested", [False, True])
def test_batch_normalization_is_found_also_in_a_nested_model(is_nested: bool) -> None:
    model = normalized(is_nested=is_nested)
    before = model(FRACTIONS, training=False).numpy()
    found = dict(KerasSession(model).evidence(IMAGES).divergences)
    assert min(found, key=lambda name: found[name]) == "0..1"
    assert found["0..1"] < 0.05
    assert found["0..255"] > 5, "as far as statistics that no training has changed"
    np.testing.assert_array_equal(model(FRACTIONS, training=False).numpy(), before)


def test_a_saved_graph_shows_the_same(tmp_path: Path) -> None:
    for name, model in (("scaled", rescaled(1 / 255, 0.0)), ("seen", normalized(is_nested=True))):
        model.export(tmp_path / name)
        loaded = SavedModelFolder().load(tmp_path / name, Trust(everything=True))
        found = KerasSession(loaded).evidence(IMAGES)
        if name == "scaled":
            assert found.rescaling == "its graph brings 0..255 to 0..1"
        else:
            divergences = dict(found.divergences)
            assert min(divergences, key=lambda each: divergences[each]) == "0..1"


def test_batch_normalization_is_found_in_an_onnx_graph(tmp_path: Path) -> None:
    """Torch leaves it in its exports where constants are not folded."""
    path = onnx_of(tmp_path / "model.onnx")
    runtime = OnnxRuntime()
    found = runtime.input_evidence(runtime.open(path, 1), path, IMAGES)
    divergences = dict(found.divergences)
    assert not found.rescaling
    assert min(divergences, key=lambda each: divergences[each]) == "-1..1"


def onnx_of(path: Path) -> Path:
    """Write a convolution and a batch normalization with the statistics of pixels of -1..1."""
    import onnx
    from onnx import helper, numpy_helper

    kernel = np.zeros((3, 3, 1, 1), np.float32)
    kernel[range(3), range(3)] = 1.0
    pixels = IMAGES.astype(np.float32) / 127.5 - 1
    constants = {
        "kernel": kernel,
        "one": np.ones(3, np.float32),
        "zero": np.zeros(3, np.float32),
        "mean": pixels.mean((0, 1, 2)),
        "variance": pixels.var((0, 1, 2)),
    }
    make = helper.make_node
    nodes = [
        make("Conv", ["input", "kernel"], ["conv"]),
        make("BatchNormalization", ["conv", "one", "zero", "mean", "variance"], ["norm"]),
        make("GlobalAveragePool", ["norm"], ["pooled"]),
        make("Flatten", ["pooled"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("input", 1, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("output", 1, [1, 3])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
