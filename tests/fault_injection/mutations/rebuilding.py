"""Files that are built anew from a Keras model: honest ones, and some that are not."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.data import Dataset, Images
from edgecv.core.registry import EXPORTERS

CALIBRATION = 200
RESCALINGS: Mapping[str, tuple[float, float]] = {
    "0 to 1": (1 / 255, 0.0),
    "no offset": (1 / 128, 0.0),
    "twice": (1 / 64, -1.0),
}


def export(model: Any, images: Images, path: Path, precision: str = "int8") -> Path:
    exporter = EXPORTERS.get(path.suffix[1:], "test")(precision=precision)
    exporter.export(model, images, path)
    return path


def fair_draw(data: Dataset, seed: int, count: int = CALIBRATION) -> Images:
    chosen = np.random.default_rng(seed).choice(
        len(data.train), min(count, len(data.train)), replace=False
    )
    return data.train.images[chosen]


def of_one_class(data: Dataset, label: int, count: int = CALIBRATION) -> Images:
    return data.train.images[np.flatnonzero(data.train.labels == label)[:count]]


def rescaled(model: Any, scale: float, offset: float) -> Any:
    """Return the model with another rescaling of pixels, and the same weights."""
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()

    first = next(each for each in model.layers if isinstance(each, keras.layers.Rescaling))

    def other(layer: Any) -> Any:
        if layer is first:
            return keras.layers.Rescaling(scale, offset=offset, name=layer.name)
        return layer.__class__.from_config(layer.get_config())

    changed = keras.models.clone_model(model, clone_function=other)
    changed.set_weights(model.get_weights())
    return changed
