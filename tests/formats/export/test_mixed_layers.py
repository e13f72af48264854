"""Files whose layers have several precisions: the types asked for, and nothing else changes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import images, plain

from edgecv.core.errors import StepError
from edgecv.core.registry import EXPORTERS
from edgecv.formats.onnx.graph import read_model
from edgecv.formats.tflite.tables import TFLiteTables

LAYERS = ["conv_1", "conv_2", "dense_1", "logits"]


@pytest.fixture(scope="module")
def model() -> Any:
    return plain()


def exported(
    model: Any, folder: Path, file_format: str, precision: str = "mixed", **options: Any
) -> tuple[bytes, dict[str, str], tuple[str, ...]]:
    path = folder / f"{precision}.{file_format}"
    exporter = EXPORTERS.get(file_format, "test")(precision=precision, **options)
    artifact = exporter.export(model, images(20), path)
    return path.read_bytes(), {each.name: each.type for each in artifact.layers}, artifact.notes


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_without_float_layers_it_is_the_int8_file(
    model: Any, file_format: str, tmp_path: Path
) -> None:
    usual, _, _ = exported(model, tmp_path, file_format, "int8")
    assert exported(model, tmp_path, file_format)[0] == usual
    assert exported(model, tmp_path, file_format, layers={"conv_*": "int8"})[0] == usual


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_stays_float(model: Any, file_format: str, name: str, tmp_path: Path) -> None:
    _, types, notes = exported(model, tmp_path, file_format, layers={name: "float32"})
    assert types == {**dict.fromkeys(LAYERS, "int8"), name: "float32"}
    assert f"in float32: {name}" in notes


def test_what_joins_float_layers_alone_stays_float_and_dense_ones_have_4_bits(
    model: Any, tmp_path: Path
) -> None:
    asked = {"conv_*": "float32", "dense_1": "int4"}
    content, types, notes = exported(model, tmp_path, "tflite", layers=asked)
    assert types == dict(zip(LAYERS, ["float32", "float32", "int4", "int8"], strict=True))
    assert "weights of 4 bits: dense_1" in notes
    operators = TFLiteTables(content, "a").operators
    kinds = [each.kind for each in operators]
    assert kinds[:5] == ["DEQUANTIZE", "CONV_2D", "MAX_POOL_2D", "CONV_2D", "QUANTIZE"]
    assert {each.type for each in operators[2].outputs} == {"float32"}

    asked = {"conv_*": "float32", "dense_1": "int8", "*": "int4"}  # The first that matches.
    _, types, _ = exported(model, tmp_path, "tflite", layers=asked)
    assert types == dict(zip(LAYERS, ["float32", "float32", "int8", "int4"], strict=True))

    content, _, _ = exported(model, tmp_path, "onnx", layers={"conv_*": "float32"})
    nodes = {node.op_type: node for node in read_model(content).graph}
    assert nodes["MaxPool"].inputs[0].producer().op_type == "Relu"


def test_all_layers_in_float_answer_nearly_as_the_float_file(model: Any, tmp_path: Path) -> None:
    from ai_edge_litert.interpreter import Interpreter

    def answers(content: bytes) -> np.ndarray:
        interpreter = Interpreter(model_content=content)
        interpreter.allocate_tensors()
        (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
        found = []
        for image in images(20):
            is_float = taken["dtype"] == np.float32
            value = image.astype(np.float32) if is_float else (image ^ 0x80).view(np.int8)
            interpreter.set_tensor(taken["index"], value[np.newaxis])
            interpreter.invoke()
            out = interpreter.get_tensor(given["index"])[0].astype(np.float64)
            found.append(out if is_float else (out + 128) / 256)
        return np.array(found)

    reference = answers(exported(model, tmp_path, "tflite", "float32")[0])
    int8 = answers(exported(model, tmp_path, "tflite")[0])
    mixed = answers(exported(model, tmp_path, "tflite", layers={"*": "float32"})[0])
    assert np.abs(mixed - reference).mean() < 0.7 * np.abs(int8 - reference).mean()


@pytest.mark.parametrize(
    ("file_format", "layers", "message"),
    [
        ("tflite", {"nothing": "float32"}, 'layers: "nothing" matches no layer; accepted: conv_1'),
        ("onnx", {"nothing": "float32"}, 'layers: "nothing" matches no layer; accepted: conv_1'),
        ("tflite", {"conv_*": "int4"}, r'in full: layers = \{"conv_1" = "int4"\}'),
    ],
)
def test_what_cannot_be_is_refused(
    model: Any, file_format: str, layers: dict[str, str], message: str, tmp_path: Path
) -> None:
    with pytest.raises(StepError, match=message):
        exported(model, tmp_path, file_format, layers=layers)


@pytest.mark.parametrize(
    ("file_format", "options", "message"),
    [
        ("onnx", {"precision": "mixed", "layers": {"a": "int4"}}, "a cannot be int4 in onnx"),
        ("tflite", {"precision": "int8", "layers": {}}, "int8 is the precision of all layers"),
        ("tflite", {"precision": "mixed", "bits": {"a": 4}}, "leave bits out"),
        ("tflite", {"precision": "mixed", "io": "uint8"}, "leave io out"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    file_format: str, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        EXPORTERS.get(file_format, "test")(**options)
