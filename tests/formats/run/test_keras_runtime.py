"""Keras models, held by the caller or in a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Images
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import InputSpec
from edgecv.formats.keras.runtime import KerasRuntime, KerasSession
from edgecv.models.tf import load_tensorflow
from edgecv.system.isolation import ModelClient


def test_a_model_in_hand(model: Any, images: Images, expected: np.ndarray) -> None:
    session = KerasSession(model)
    assert session.facts.input.shape == (-1, 8, 8, 3)
    assert (session.facts.output.shape, session.facts.output.type) == ((-1, 3), "float32")
    many = np.concatenate([images] * 8)  # more than a batch, and a rest
    predictions = session.predict(many).only
    assert predictions.dtype == np.float32
    np.testing.assert_allclose(predictions, np.concatenate([expected] * 8), atol=1e-6)
    session.single_call(images[:1])()


def test_every_output_is_given_by_name() -> None:
    _, keras = load_tensorflow()
    image = keras.Input((None, None, 1))
    row = keras.layers.GlobalAveragePooling2D(name="row")(image)
    model = keras.Model(image, {"b": row, "a": keras.layers.Rescaling(2.0, name="a")(image)})
    images = np.arange(24, dtype=np.uint8).reshape(2, 3, 4, 1)
    session = KerasSession(model, input_spec=InputSpec(input_size=(3, 4)))
    assert session.facts.answers == ((3, 4, 1), (1,))
    found = session.predict(images).arrays
    assert list(found) == ["a", "b"]
    np.testing.assert_allclose(found["a"], 2.0 * images)
    np.testing.assert_allclose(found["b"][:, 0], [5.5, 17.5])
    with pytest.raises(RuntimeFailure, match="it has 2 inputs and 1 output"):
        KerasSession(keras.Model([image, keras.Input((2,))], row))


def test_other_images_are_refused(model: Any) -> None:
    with pytest.raises(RuntimeFailure, match=r"takes images of \[8, 8, 3\].*\[1, 9, 9, 3\]"):
        KerasSession(model).predict(np.zeros((1, 9, 9, 3), np.uint8))


def test_a_file_in_a_worker(
    model: Any, images: Images, expected: np.ndarray, tmp_path: Path
) -> None:
    path = tmp_path / "model.keras"
    model.save(path)
    assert path.suffix in KerasRuntime.suffixes
    with ModelClient("keras", threads=2) as worker:
        np.testing.assert_allclose(worker.predict(path, images).only, expected, atol=1e-6)
        path.write_bytes(b"noise")
        with pytest.raises(RuntimeFailure, match=r"model\.keras: "):
            worker.open(path)
