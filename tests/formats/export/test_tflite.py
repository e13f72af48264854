"""TFLite files: the types in them, and what is refused."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exported_runs import Export, Runtimes

from edgecv.core.errors import InputError, StepError
from edgecv.core.registry import EXPORTERS
from edgecv.formats.dtypes import FLOATS
from edgecv.formats.tflite.check import prove
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.models.tf import load_tensorflow


def tensors(path: Path) -> list[Any]:
    operators = TFLiteTables(path.read_bytes(), str(path)).operators
    found = [each for operator in operators for each in operator.inputs + operator.outputs]
    return [each for each in found if each is not None]


@pytest.mark.parametrize("name", tiny_models.MODELS)
@pytest.mark.parametrize("precision", ["int8", "int16x8"])
def test_integer_files_hold_no_float(name: str, precision: str, export: Export) -> None:
    path, _ = export(name, "tflite", precision)
    assert not [each for each in tensors(path) if each.type in FLOATS]


ENDS = {
    **dict.fromkeys(("float32", "float16", "dynamic"), ("float32", "float32")),
    "int8": ("int8", "int8"),
    "int16x8": ("int16", "int16"),
}


@pytest.mark.parametrize("precision", ENDS)
def test_what_goes_in_and_comes_out(precision: str, export: Export, runtimes: Runtimes) -> None:
    path, _ = export("plain", "tflite", precision)
    facts = runtimes.open(path)
    assert facts.input.shape == (1, *tiny_models.SHAPE)
    assert (facts.input.type, facts.output.type) == ENDS[precision]
    assert facts.output.shape == (1, tiny_models.CLASSES)


@pytest.mark.parametrize("precision", TFLite.precisions)
def test_a_batch_can_still_be_resized(precision: str, export: Export) -> None:
    from ai_edge_litert.interpreter import Interpreter

    path, _ = export("plain", "tflite", precision)
    interpreter = Interpreter(str(path), num_threads=1)
    index = interpreter.get_input_details()[0]["index"]
    interpreter.resize_tensor_input(index, (5, *tiny_models.SHAPE))
    interpreter.allocate_tensors()
    interpreter.invoke()
    assert interpreter.get_output_details()[0]["shape"].tolist() == [5, tiny_models.CLASSES]


def test_weights_shrink(export: Export) -> None:
    size = {each: export("modern", "tflite", each)[1].bytes for each in TFLite.precisions}
    weights = 5_000
    assert size["float32"] - size["float16"] > weights
    assert size["float16"] > size["int8"]
    assert size["dynamic"] < 0.75 * size["float32"]


def test_dynamic_says_which_layers_stay_float32(export: Export, tmp_path: Path) -> None:
    _, artifact = export("plain", "tflite", "dynamic")
    note, _ = artifact.notes
    assert "2 of 4 layers" in note
    assert "conv_1" in note
    assert "logits" in note
    _, keras = load_tensorflow()
    small = tiny_models.ending_in(keras.layers.ReLU())
    with pytest.raises(StepError, match=r"every weight came back float32.*choose int8"):
        TFLite(precision="dynamic").export(small, tiny_models.images(0), tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())


def test_a_layer_that_has_no_integer_kernel_is_named(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    model = tiny_models.ending_in(keras.layers.ELU(name="curve"))
    with pytest.raises(
        StepError, match=r"int8 was asked for; 1 operator came back with floats: ELU.*mixed"
    ):
        TFLite(precision="int8").export(model, tiny_models.images(5), tmp_path / "a.tflite")
    with pytest.raises(StepError, match=r"cannot convert this model to int16x8.*ELU"):
        TFLite(precision="int16x8").export(model, tiny_models.images(5), tmp_path / "a.tflite")
    assert not list(tmp_path.iterdir())


def test_weights_too_large_for_float16_are_refused(tmp_path: Path) -> None:
    model = tiny_models.plain()
    kernel, bias = model.get_layer("conv_2").get_weights()
    model.get_layer("conv_2").set_weights([1e6 * kernel, bias])
    with pytest.raises(StepError, match="too large for float16"):
        TFLite(precision="float16").export(model, tiny_models.images(0), tmp_path / "a.tflite")


@pytest.mark.parametrize(
    ("made", "claimed", "message"),
    [
        ("float32", "int8", "operators came back with floats"),
        ("dynamic", "int8", "operators came back with floats"),
        ("int16x8", "int8", "input and output came back int16 and int16"),
        ("int8", "int16x8", "input and output came back int8 and int8"),
        ("float32", "float16", "weights of 4 operators came back float32"),
        ("float16", "float32", "weights of 4 operators came back float16"),
        ("float32", "dynamic", "weights of 2 operators came back float32"),
        ("int8", "float32", "weights of 4 operators came back int8"),
    ],
)
def test_the_proof_fails_a_file_that_is_something_else(
    made: str, claimed: str, message: str, export: Export
) -> None:
    path, _ = export("plain", "tflite", made)
    content = path.read_bytes()
    assert isinstance(prove(content, made, "here"), tuple)
    with pytest.raises(StepError, match=message):
        prove(content, claimed, "here")


def test_calibration_images_limits_what_is_used(
    network: Callable[[str], Any], tmp_path: Path
) -> None:
    calibration = tiny_models.images(10)
    calibration[0, 0, 0] = 0, 255, 0
    noise = np.random.default_rng(0).choice([0, 255], (10, *tiny_models.SHAPE))
    wild = np.concatenate([calibration, noise.astype(np.uint8)])
    model = network("plain")
    ten = TFLite(precision="int8").export(model, calibration, tmp_path / "a.tflite")
    limited = TFLite(precision="int8", calibration_images=10).export(
        model, wild, tmp_path / "b.tflite"
    )
    all_of_them = TFLite(precision="int8").export(model, wild, tmp_path / "c.tflite")
    assert limited.sha256 == ten.sha256
    assert all_of_them.sha256 != ten.sha256


def test_an_int8_input_is_the_byte_minus_128_and_gives_the_same_answers(
    network: Callable[[str], Any], runtimes: Runtimes, tmp_path: Path
) -> None:
    model, images = network("plain"), tiny_models.images(50)
    paths = {}
    for io in ("uint8", "int8"):
        paths[io] = tmp_path / f"{io}.tflite"
        TFLite(precision="int8", io=io).export(model, images, paths[io])  # type: ignore[arg-type]
    facts = {io: runtimes.open(path).input for io, path in paths.items()}
    assert (facts["uint8"].type, facts["uint8"].zero_point) == ("uint8", 0)
    assert (facts["int8"].type, facts["int8"].zero_point) == ("int8", -128)
    assert facts["int8"].scale == facts["uint8"].scale
    answers = [runtimes.predict(path).only for path in paths.values()]
    np.testing.assert_array_equal(*answers)
    assert paths["int8"].stat().st_size < paths["uint8"].stat().st_size


def test_an_input_type_is_for_int8_files_alone() -> None:
    with pytest.raises(InputError, match="float32 has an input type of its own"):
        EXPORTERS.parse({"format": "tflite", "precision": "float32", "io": "int8"}, "export[1]")


@pytest.mark.parametrize("activation", ["softplus", "mish", "exponential", "selu"])
def test_what_kills_the_converter_is_refused_by_its_layer(activation: str, tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((8, 8, 3)),
            layers.Conv2D(4, 3, activation=activation, name="odd"),
            layers.Flatten(),
            layers.Dense(10),
            layers.Softmax(),
        ]
    )
    pixels = np.zeros((4, 8, 8, 3), np.uint8)
    with pytest.raises(StepError, match=f'layer "odd": .* cannot make int8 of {activation}'):
        TFLite(precision="int8").export(model, pixels, tmp_path / "int8.tflite")


def test_constants_without_a_shape_are_scalars(export: Export) -> None:
    from edgecv.formats.tflite.runtime import LiteRT

    path, _ = export("modern", "tflite", "int16x8")
    kernels = LiteRT().stored(path).kernels
    assert kernels
    assert {kernel.type for kernel in kernels} == {"int8"}
