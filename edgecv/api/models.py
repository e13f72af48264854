"""Keras models in memory: written to a file, which is then read like any other."""

import hashlib
import re
from pathlib import Path
from typing import Any, Protocol

from edgecv.core.errors import InputError
from edgecv.models.tf import keras_bytes
from edgecv.system.storage import Store, write_bytes

LIBRARIES = ("keras", "tf_keras")
STAGE = "given"


class ModelInMemory(Protocol):
    """A ``keras.Model`` of Keras 3 or of tf-keras."""

    name: str

    def save(self, filepath: Any, *args: Any, **options: Any) -> Any:
        """Write the model to a file."""


def is_keras_model(value: object) -> bool:
    """Return True for a model of Keras 3 or of tf-keras, without importing either."""
    return any(
        each.__name__ == "Model" and each.__module__.partition(".")[0] in LIBRARIES
        for each in type(value).__mro__
    )


class GivenModel:
    """A Keras model given in Python, as the bytes of a ``.keras`` file.

    Equal weights give equal bytes, so that a second run finds the results of the first.
    """

    def __init__(self, model: Any, parameter: str) -> None:
        """Save a model in memory. Raises InputError that names ``parameter`` where Keras
        cannot."""
        try:
            self.content = keras_bytes(model)
        except Exception as error:  # a layer's own code may raise anything
            raise InputError(
                parameter,
                f"the model cannot be saved: {type(error).__name__}: {error}",
                accepted="Sequential and Functional models, or the path of a model file",
            ) from error
        self.name = (
            f"{re.sub(r'[^A-Za-z0-9_-]+', '-', model.name).strip('-')[:60] or 'model'}.keras"
        )

    def path_in(self, store: Store) -> Path:
        """Return the path that ``keep`` writes to."""
        return store.place(STAGE, self._key) / self.name

    def keep(self, store: Store) -> None:
        """Write the file into a store, once: the recipe of a run names it."""
        store.stage(STAGE, self._key, lambda folder: write_bytes(folder / self.name, self.content))

    def write(self, folder: Path) -> Path:
        """Write the file into a folder and return its path."""
        write_bytes(folder / self.name, self.content)
        return folder / self.name

    @property
    def _key(self) -> str:
        return hashlib.sha256(self.name.encode() + self.content).hexdigest()[:32]
