"""Weights of 4 bits in TFLite files: the same answers as with 8, where runtimes are not slower."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from edgecv.core.errors import StepError
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.tflite.four_bits import FAST, INT4
from edgecv.formats.tflite.layout import written
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.formats.tflite.tree import TreeReader, vector
from edgecv.models.tf import load_tensorflow, set_seed
from edgecv.techniques.qat import Qat

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 12, 12, 3), dtype=np.uint8)
INT8 = 9
"""Its number in the schema."""


@pytest.fixture(scope="module")
def model() -> Any:
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer((12, 12, 3)),
            layers.Rescaling(1 / 128, offset=-1.0, name="rescale"),
            layers.Conv2D(7, 3, activation="relu", bias_initializer="he_normal", name="conv"),
            layers.DepthwiseConv2D(3, activation="relu", name="depthwise"),
            layers.Flatten(name="flatten"),
            layers.Dense(15, activation="relu", bias_initializer="he_normal", name="dense"),
            layers.Dense(5, name="logits"),
        ]
    )


def exported(model: Any, folder: Path, **bits: int) -> tuple[bytes, Any]:
    artifact = TFLite(precision="int8", bits=bits).export(model, IMAGES, folder / "a.tflite")
    return (folder / "a.tflite").read_bytes(), artifact


def with_bytes(content: bytes) -> bytes:
    """Return a file of 4 bits with a byte for each weight: the same network."""
    tables, tree = TFLiteTables(content, "a"), TreeReader(content).model()
    (graph,) = tree.tables("Subgraphs")
    for tensor, node in zip(tables.tensors, graph.tables("Tensors"), strict=True):
        if tensor.type == "int4":
            values = tables.values(tensor)
            assert values is not None
            assert np.abs(values).max() == 7
            node.values["Type"] = INT8
            buffer = tree.tables("Buffers")[tensor.buffer]
            buffer.values["Data"] = vector(values.astype(np.int8).tobytes(), 1)
    return written(tree)


def answers(content: bytes, kernels: str) -> Any:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kind = getattr(OpResolverType, kernels)
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=kind)
    interpreter.allocate_tensors()
    found = []
    for image in IMAGES:
        codes = (image[np.newaxis] ^ 0x80).view(np.int8)
        interpreter.set_tensor(interpreter.get_input_details()[0]["index"], codes)
        interpreter.invoke()
        found.append(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).copy())
    return np.concatenate(found)


def test_dense_layers_answer_as_with_the_same_weights_in_bytes(model: Any, tmp_path: Path) -> None:
    content, artifact = exported(model, tmp_path, dense=4, logits=4)
    usual, _ = exported(model, tmp_path)
    assert len(content) < len(usual) - 15 * 64 * 7 * 0.4
    assert [layer.type for layer in artifact.layers] == ["int8", "int8", "int4", "int4"]
    assert "weights of 4 bits: dense, logits" in artifact.notes
    assert sum(each.type == "int4" for each in TFLiteTables(content, "a").tensors) == 2
    # XNNPACK rounds a few sums the other way; the built-in kernels unpack the weights first.
    for kernels, most in (("BUILTIN", 1), ("BUILTIN_WITHOUT_DEFAULT_DELEGATES", 0)):
        found, same = (
            answers(each, kernels).astype(int) for each in (content, with_bytes(content))
        )
        assert np.abs(found - same).max() <= most
        assert np.mean(found == same) > 0.9
        assert np.ptp(found) > 100, "a test of answers that hardly differ shows nothing"


def test_convolutions_are_refused_unless_they_are_named(model: Any, tmp_path: Path) -> None:
    with pytest.raises(StepError, match="4 bits were asked for conv, a CONV_2D: LiteRT unpacks"):
        exported(model, tmp_path, **{"*": 4})
    with pytest.raises(StepError, match='bits: "dens" matches no layer'):
        exported(model, tmp_path, dens=4)
    with pytest.raises(ValidationError, match="float16 has weights of its own bits"):
        TFLite(precision="float16", bits={"dense": 4})
    content, artifact = exported(model, tmp_path, conv=4, depthwise=4, dense=8)
    assert "LiteRT unpacks the weights of conv, depthwise for each image" in artifact.notes[-2]
    kernels = "BUILTIN_WITHOUT_DEFAULT_DELEGATES"
    np.testing.assert_array_equal(answers(content, kernels), answers(with_bytes(content), kernels))


def test_a_layer_that_is_used_twice_has_two_biases_in_steps_of_one_kernel(tmp_path: Path) -> None:
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    twice = layers.Dense(12, activation="relu", bias_initializer="he_normal", name="twice")
    image = keras.Input((12, 12, 3))
    row = layers.GlobalAveragePooling2D()(layers.Conv2D(12, 3, name="conv")(image))
    model = keras.Model(image, twice(twice(row)))
    content, _ = exported(model, tmp_path, twice=4)
    uses = [each for each in TFLiteTables(content, "a").operators if each.kind == FAST]
    assert len(uses) == 2
    for given, kernel, bias in (each.inputs for each in uses):
        assert given is not None
        assert kernel is not None
        assert bias is not None
        np.testing.assert_allclose(
            bias.scales, given.scales[0] * np.array(kernel.scales), rtol=1e-6
        )


def test_what_training_rounded_to_4_bits_is_in_the_file(model: Any, tmp_path: Path) -> None:
    context = SimpleNamespace(
        note=lambda note: None,
        shared_kernels=frozenset(),
        bits={"dense": 4},
        range_images=len(IMAGES),
        calibration_images=lambda most: IMAGES[:most],
        fit=lambda quantized, *others: quantized(IMAGES.astype(np.float32), training=True),
    )
    trained = Qat().apply(model, context)
    # The exporter compares the scales with those that were trained.
    content, artifact = exported(trained, tmp_path, dense=4)
    types = {layer.name: layer.type for layer in artifact.layers}
    assert types["dense"] == "int4"
    kernel = model.get_layer("dense").get_weights()[0]
    step = np.abs(kernel).max() / 7
    tables = TFLiteTables(content, "a")
    (tensor,) = (each for each in tables.tensors if each.type == "int4")
    np.testing.assert_allclose(tensor.scales, step, rtol=1e-5)
    np.testing.assert_array_equal(tables.values(tensor), np.round(kernel.T / step))
    assert INT4 != INT8
