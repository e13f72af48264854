"""One scale for a whole kernel: only where it is asked for, and equal weights stay equal then."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.artifact import Layer
from edgecv.core.errors import StepError
from edgecv.core.registry import EXPORTERS
from edgecv.models.tf import load_tensorflow
from edgecv.system.isolation import ModelClient

SIDE = 8
FORMATS = (("tflite", "litert"), ("onnx", "onnxruntime"))
PIXELS = np.random.default_rng(1).integers(0, 256, (40, SIDE, SIDE, 3)).astype(np.uint8)
NAMES = ("first", "few", "many")


@pytest.fixture(scope="module")
def model() -> Any:
    """Return a model whose weights were stored in 8 bits: each kernel has few distinct ones."""
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(2)
    layers = keras.layers
    made = keras.Sequential(
        [
            layers.InputLayer((SIDE, SIDE, 3)),
            layers.Rescaling(1 / 127.5, offset=-1.0),
            layers.Conv2D(8, 3, activation="relu", name="first"),
            layers.DepthwiseConv2D(3, activation="relu", name="deep"),
            layers.Conv2D(24, 3, activation="relu", name="few"),
            layers.Flatten(),
            layers.Dense(16, activation="relu", name="many"),
            layers.Dense(4, name="logits"),
            layers.Softmax(),
        ]
    )
    random = np.random.default_rng(0)
    for layer in made.layers:
        if layer.weights:
            kernel, bias = layer.get_weights()
            # Outputs of very different sizes: one scale for all of them loses the small ones.
            kernel = kernel * np.exp(random.normal(0, 1, kernel.shape[-1]))
            step = np.abs(kernel).max() / 7
            layer.set_weights([np.round(kernel / step) * step, random.normal(0, 0.1, bias.shape)])
    return made


def exported(model: Any, file_format: str, folder: Path, **given: Any) -> dict[str, Layer]:
    options = {"precision": "int8", **given}
    path = folder / f"a.{file_format}"
    artifact = EXPORTERS.classes[file_format](**options).export(model, PIXELS, path)
    return {layer.name: layer for layer in artifact.layers}


@pytest.mark.parametrize(("file_format", "runtime"), FORMATS)
def test_few_distinct_weights_alone_change_nothing(
    file_format: str, runtime: str, model: Any, tmp_path: Path
) -> None:
    layers = exported(model, file_format, tmp_path)
    assert [len(layers[name].scales) for name in ("first", "deep", "few")] == [8, 8, 24]


@pytest.mark.parametrize(("file_format", "runtime"), FORMATS)
def test_kernels_that_are_named_have_one_scale_and_the_others_do_not(
    file_format: str, runtime: str, model: Any, tmp_path: Path
) -> None:
    layers = exported(model, file_format, tmp_path, one_scale=("few", "man*"))
    for name in ("few", "many"):
        assert len(set(layers[name].scales)) == 1
        assert layers[name].distinct <= 15
    assert len(set(layers["first"].scales)) > 4
    assert len(set(layers["deep"].scales)) > 1
    with ModelClient(runtime, 1) as worker:
        found = worker.predict(tmp_path / f"a.{file_format}", PIXELS).only
    expected = model(PIXELS.astype(np.float32), training=False).numpy()
    assert np.abs(found - expected).mean() < 0.01


def test_weights_that_took_up_the_rescaling_keep_one_scale(model: Any, tmp_path: Path) -> None:
    layers = exported(model, "tflite", tmp_path, one_scale=("first",))
    assert layers["first"].distinct <= 15
    assert len(set(layers["first"].scales)) == 1
    with ModelClient("litert", 1) as worker:
        found = worker.predict(tmp_path / "a.tflite", PIXELS).only
    expected = model(PIXELS.astype(np.float32), training=False).numpy()
    assert np.abs(found - expected).mean() < 0.01


@pytest.mark.parametrize("precision", ["dynamic", "int16x8"])
def test_other_precisions_with_integer_kernels_have_it_too(
    precision: str, model: Any, tmp_path: Path
) -> None:
    layers = exported(model, "tflite", tmp_path, precision=precision, one_scale=("few",))
    assert layers["few"].distinct <= 15
    with ModelClient("litert", 1) as worker:
        found = worker.predict(tmp_path / "a.tflite", PIXELS).only
    expected = model(PIXELS.astype(np.float32), training=False).numpy()
    assert np.abs(found - expected).mean() < 0.01


def test_a_pattern_that_names_no_layer_is_refused(model: Any, tmp_path: Path) -> None:
    with pytest.raises(StepError, match=r'one_scale: "conv_\*" matches no layer.*first'):
        exported(model, "onnx", tmp_path, one_scale=("conv_*",))


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_a_kernel_with_a_normalization_folded_into_it_is_refused(
    file_format: str, tmp_path: Path
) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((SIDE, SIDE, 3)),
            layers.Conv2D(8, 3, name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            layers.Dense(4, name="logits"),
            layers.Softmax(),
        ]
    )
    gamma, *others = model.get_layer("norm").get_weights()
    model.get_layer("norm").set_weights([np.linspace(0.5, 2, len(gamma)), *others])
    with pytest.raises(StepError, match=r"conv.*(normalization|changed its weights)"):
        exported(model, file_format, tmp_path, one_scale=("conv",))


def test_floats_have_no_scale() -> None:
    with pytest.raises(ValueError, match="no integer kernels"):
        EXPORTERS.classes["tflite"](precision="float16", one_scale=("conv",))
