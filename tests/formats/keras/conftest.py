"""Models of Keras 3, which lives beside tf-keras in one process, and what is made of them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from edited_archive import edited_archive

from edgecv.models.tf import load_tensorflow

SHAPE = (12, 12, 3)


@pytest.fixture(scope="session")
def keras3() -> Any:
    load_tensorflow()  # First: it chooses tf-keras for what TensorFlow itself calls Keras.
    import keras

    assert keras.__version__.startswith("3.")
    return keras


@pytest.fixture(scope="session")
def randomize() -> Callable[[Any], None]:
    """Give every weight a value that matters, so that no two can be swapped unseen."""

    def act(model: Any) -> None:
        random = np.random.default_rng(7)
        for variable in model.weights:
            if "seed" in variable.path:
                continue
            shape = tuple(variable.shape)
            if "variance" in variable.path or "gamma" in variable.path:
                values = random.uniform(0.5, 1.5, shape)
            elif len(shape) > 1:
                values = random.normal(0, 1 / np.sqrt(np.prod(shape[:-1])), shape)
            else:
                values = random.normal(0, 0.3, shape)
            variable.assign(values)
        for layer in model._flatten_layers():
            if hasattr(layer, "finalize_state"):
                layer.finalize_state()

    return act


@pytest.fixture
def save(tmp_path: Path, randomize: Callable[[Any], None]) -> Callable[[Any], Path]:
    """Save a Keras 3 model, with random weights."""

    def act(model: Any) -> Path:
        randomize(model)
        path = tmp_path / "model.keras"
        model.save(path)
        return path

    return act


@pytest.fixture
def rebuilt(tmp_path: Path) -> Callable[[Path], Any]:
    """Rebuild a file without the child: for what is compared with Keras 3 in this process."""

    def act(path: Path) -> Any:
        from edgecv.formats.keras.keras3.archive import read_archive
        from edgecv.formats.keras.keras3.load import read_plan, rebuild

        folder = tmp_path / "rebuilt"
        folder.mkdir()
        archive = read_archive(path, folder)
        return rebuild(path, archive, read_plan(path, archive)).model

    return act


@pytest.fixture
def agree(save: Callable[[Any], Path], rebuilt: Callable[[Path], Any]) -> Callable[..., Any]:
    """Save, rebuild and compare a Keras 3 model; return the tf-keras model."""

    def act(original: Any, low: float = 0.0, high: float = 255.0, tolerance: float = 3e-5) -> Any:
        model = rebuilt(save(original))
        random = np.random.default_rng(1)
        images = [
            random.uniform(low, high, (4, *tensor.shape[1:])).astype(np.float32)
            for tensor in model.inputs
        ]
        given = images if len(images) > 1 else images[0]
        expected = np.asarray(original(given, training=False))
        found = np.asarray(model(given, training=False))
        assert found.shape == expected.shape
        scale = max(1.0, float(np.abs(expected).max()))
        assert np.abs(found - expected).max() <= tolerance * scale
        assert np.ptp(expected) > 0, "a model that always says the same proves nothing"
        return model

    return act


Edit = Callable[[dict[str, Any]], None]


@pytest.fixture
def edited(tmp_path: Path) -> Callable[[Path, Edit], Path]:
    """Copy an archive with another configuration, as someone hostile would."""
    return lambda path, edit: edited_archive(path, edit, tmp_path / "edited.keras")


@pytest.fixture
def small(keras3: Any) -> Any:
    """Return a small sequential classifier."""
    layers = keras3.layers
    return keras3.Sequential(
        [
            layers.Input(SHAPE),
            layers.Rescaling(1 / 255),
            layers.Conv2D(4, 3, activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.GlobalAveragePooling2D(name="pool"),
            layers.Dense(3, activation="softmax", name="classes"),
        ],
        name="small",
    )
