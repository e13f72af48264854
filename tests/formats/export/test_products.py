"""Squares and negations of a model have integer operators in its TFLite files."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exported_runs import Runtimes

from edgecv.formats.dtypes import FLOATS
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.models.tf import load_tensorflow


def model_with(operation: Callable[[Any], Any]) -> Any:
    """Return a network that computes with its first feature map."""
    tensorflow, keras = load_tensorflow()
    image = keras.Input(tiny_models.SHAPE, name="image")
    features = keras.layers.Rescaling(1 / 255)(image)
    features = operation(tensorflow)(keras.layers.Conv2D(8, 3, name="first")(features))
    features = keras.layers.Conv2D(8, 3, 2, name="second")(features)
    flat = keras.layers.Flatten()(features)
    classes = keras.layers.Dense(tiny_models.CLASSES, activation="softmax", name="classes")
    return tiny_models.with_weights(keras.Model(image, classes(flat)))


OPERATIONS: dict[str, Any] = {
    "square": lambda tensorflow: tensorflow.square,
    "negation": lambda tensorflow: lambda x: -tensorflow.nn.relu(x),
    "length of columns": lambda tensorflow: lambda x: tensorflow.math.l2_normalize(x, axis=1),
}


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_an_int8_file_computes_them_in_integers(
    operation: Any, tmp_path: Path, runtimes: Runtimes
) -> None:
    model, images = model_with(operation), tiny_models.images(40)
    made = TFLite(precision="int8").export(model, images, tmp_path / "int8.tflite")
    operators = TFLiteTables((tmp_path / "int8.tflite").read_bytes(), "here").operators
    assert not [each.kind for each in operators if each.outputs[0].type in FLOATS]
    assert not [note for note in made.notes if "float32" in note]
    answers = runtimes.predict(tmp_path / "int8.tflite", 40).only
    expected = model(tiny_models.images(40, seed=1).astype("float32")).numpy()
    assert np.mean(answers.argmax(1) == expected.argmax(1)) >= 0.9


def test_int16_has_them_too_and_a_length_over_the_last_axis_stays_one_operator(
    tmp_path: Path,
) -> None:
    model = model_with(lambda tensorflow: lambda x: tensorflow.math.l2_normalize(x, axis=-1))
    kinds = {}
    for precision in ("int8", "int16x8"):
        path = tmp_path / f"{precision}.tflite"
        TFLite(precision=precision).export(model, tiny_models.images(5), path)
        kinds[precision] = {each.kind for each in TFLiteTables(path.read_bytes(), "").operators}
    assert "L2_NORMALIZATION" in kinds["int8"]
    assert {"MUL", "SUM"} <= kinds["int16x8"]
