"""Exported networks for inspection, made once."""

import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from paths import REPOSITORY, SHARED

sys.path.insert(0, str(REPOSITORY / "tests" / "formats" / "export"))

Exported = Callable[[str, str], Path]


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    """Return a function: network, file name such as int8.tflite -> file, made once.

    Networks: "cifar", "vww" and those of tests/formats/export/tiny_models.py.
    """
    import tiny_models

    from edgecv.core.registry import EXPORTERS

    folder = tmp_path_factory.mktemp("inspected")
    model_of = cache(_model)

    @cache
    def make(network: str, name: str) -> Path:
        path = folder / f"{network}-{name}"
        precision, _, suffix = name.rpartition(".")
        model = model_of(network)
        if suffix in ("keras", "h5"):
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                model.save(path)
            return path
        images = tiny_models.images(10, shape=tuple(model.inputs[0].shape[1:]))
        EXPORTERS.get(suffix, "test")(precision=precision).export(model, images, path)
        return path

    return make


def _model(network: str) -> Any:
    import tiny_models

    from edgecv.evaluation.tasks.classification.training import ClassHead
    from edgecv.formats.keras.importer import load
    from edgecv.models.architectures.cifar_cnn import CifarCnn

    if network == "cifar":
        # Biases that are not zero: exporters leave those out, and they would not be counted.
        return tiny_models.with_weights(CifarCnn().build((32, 32, 3), ClassHead(10)))
    if network == "vww":
        path = SHARED / "models" / "vww_96.h5"
        if not path.exists():
            pytest.skip(f"needs {path}, which is not part of the project")
        return load(path)
    return tiny_models.MODELS[network]()
