"""Keras models, held by the caller or in a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Images
from edgecv.core.errors import RuntimeFailure
from edgecv.formats.keras.runtime import KerasRuntime, KerasSession
from edgecv.models.tf import load_tensorflow
from edgecv.system.isolation import ModelClient


def test_a_model_in_hand(model: Any, images: Images, expected: np.ndarray) -> None:
    session = KerasSession(model)
    assert session.facts.input.shape == (-1, 8, 8, 3)
    assert (session.facts.output.shape, session.facts.output.type) == ((-1, 3), "float32")
    many = np.concatenate([images] * 8)  # more than a batch, and a rest
    predictions = session.predict(many)
    assert predictions.dtype == np.float32
    np.testing.assert_allclose(predictions, np.concatenate([expected] * 8), atol=1e-6)
    session.single_call(images[:1])()


def test_a_model_with_two_outputs_is_refused() -> None:
    _, keras = load_tensorflow()
    image = keras.Input((2, 2, 1))
    flat = keras.layers.Flatten()(image)
    with pytest.raises(RuntimeFailure, match="it has 2 outputs"):
        KerasSession(keras.Model(image, [flat, flat + 1]))


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
        np.testing.assert_allclose(worker.predict(path, images), expected, atol=1e-6)
        path.write_bytes(b"noise")
        with pytest.raises(RuntimeFailure, match=r"model\.keras: "):
            worker.open(path)
