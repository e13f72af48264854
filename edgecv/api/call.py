"""One call of a function of the API: its arguments are converted to options of a command."""

import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from edgecv.api.models import GivenModel, ModelInMemory, is_keras_model
from edgecv.api.parameter_names import errors_in_parameters
from edgecv.api.progress import shown
from edgecv.core.command_options import parse_flags
from edgecv.core.errors import InputError, unknown_name
from edgecv.core.events import OnEvent
from edgecv.core.images import chunks
from edgecv.core.options import Options
from edgecv.core.plugins import DatasetSource
from edgecv.datasets.arrays import Arrays, named_arrays
from edgecv.datasets.semi_supervised import ACCEPTED
from edgecv.system.storage import Store

ARRAYS, IMAGES = "arrays.npz", "images.npy"
Model = str | Path | ModelInMemory
"""The path of a model file, or a model of Keras 3 or tf-keras in memory."""
Data = str | Path | Mapping[str, Any] | Sequence[Any] | DatasetSource
"""The name or path of a data set, or arrays in memory: (x_train, y_train, x_test, y_test) or
(x_test, y_test), or a dict of these names with ``class_names`` where they are known. Images: uint8
(N, height, width, channels), 0..255; labels: integers (N,)."""
O = TypeVar("O", bound=Options)  # noqa: E741


@dataclass(frozen=True)
class FunctionCall:
    """One call, from its first check to its last event."""

    on_event: OnEvent
    _files: ExitStack
    _places: dict[str, str]
    """Parameters by the place that an error would name."""

    def options(
        self,
        cls: type[O],
        given: Mapping[str, Any],
        data: Data | None = None,
        baseline: Model | None = None,
    ) -> O:
        """Return the options for parameters, with data and a baseline that may be in memory."""
        read: dict[str, Any] = {"data": as_data(data)}
        if "baseline" in cls.model_fields:
            read["baseline"] = None if baseline is None else self.model_file(baseline, "baseline=")
        return options_of(cls, {**given, **read})

    def model_file(self, model: Model, parameter: str) -> Path:
        """Return the path of a model; one in memory is written to a temporary file."""
        if not is_keras_model(model):
            return _as_path(model)
        folder = self._files.enter_context(tempfile.TemporaryDirectory(prefix="edgecv-model-"))
        path = GivenModel(model, parameter).write(Path(folder))
        self._places[str(path)] = parameter.removesuffix("=")
        return path

    def stored_models(
        self, models: Mapping[str, Model | None], store: Store
    ) -> tuple[dict[str, Any], Callable[[], None]]:
        """Return models by their parameters, as paths, and a function that writes those in memory.

        It writes them to the store. Raises InputError for one that cannot be saved.
        """
        given = {
            name: GivenModel(model, f"{name}=")
            for name, model in models.items()
            if is_keras_model(model)
        }
        paths = {name: str(model.path_in(store)) for name, model in given.items()}
        for name, path in paths.items():
            self._places.setdefault(path, name)

        def keep() -> None:
            for model in given.values():
                model.keep(store)

        return {**models, **paths}, keep


@contextmanager
def call(
    progress: bool | None = None, on_event: OnEvent | None = None, **arguments: str
) -> Iterator[FunctionCall]:
    """Show the progress of a call, and name parameters in its errors.

    ``arguments``: placeholder of the command line -> parameter, as ``MODEL="model"``.
    """
    with errors_in_parameters(arguments), ExitStack() as stack:
        yield FunctionCall(stack.enter_context(shown(progress, on_event)), stack, arguments)


def options_of(cls: type[O], given: Mapping[str, Any]) -> O:
    """Return the options for parameters. Raises InputError that names the parameter."""
    for name in given:
        if name not in cls.model_fields:
            raise unknown_name(f"{name}=", "there is no such parameter", name, cls.model_fields)
    return parse_flags(cls, given)


def as_data(data: Data | None) -> str | DatasetSource | None:
    """Return the name or path of a data set, or the source of arrays in memory."""
    if data is None or isinstance(data, str | DatasetSource):
        return data
    if isinstance(data, Path):
        return str(data)
    # Any other value is refused there too, with a list of the accepted ones.
    return Arrays.of(data if isinstance(data, Mapping | Sequence) else (data,))


def stored_data(
    data: Data | None, source: str | DatasetSource | None, store: Store
) -> str | DatasetSource | None:
    """Return the source of a data set, with arrays in a .npz that is written to the store."""
    if not isinstance(source, Arrays) or not isinstance(data, Mapping | Sequence):
        return source
    key, arrays = f"arrays-{source.sha256[:32]}", dict[str, Any](named_arrays(data))
    place = store.stage("given", key, lambda folder: np.savez(folder / ARRAYS, **arrays))
    return str(place / ARRAYS)


def store_of(options: Mapping[str, Any]) -> Store:
    """Return the store in the folder ``output`` of a call."""
    return Store.at(str(options.get("output", "exported")))


def is_in_memory(value: Any) -> bool:
    """Return True for a model, arrays or images that are no path."""
    return value is not None and not isinstance(value, str | Path)


def unwritten(value: Any) -> Any:
    """Return a path as it is, and for what is in memory one that stands for it.

    Recipes look for these files, and nothing is written before the other parameters are checked.
    """
    return os.devnull if is_in_memory(value) else value


def stored_images(images: Any, store: Store) -> str | None:
    """Return the path of images without labels; an array is written to the store as a .npy file.

    Raises InputError for anything but a path and uint8 (N, height, width, channels).
    """
    if images is None or isinstance(images, str | Path):
        return None if images is None else str(images)
    array = np.asanyarray(images)
    if array.dtype != np.uint8 or array.ndim != 4:
        raise InputError(
            "unlabelled=", f"an array of {array.dtype} of shape {array.shape}", accepted=ACCEPTED
        )
    digest = hashlib.sha256(f"{array.shape}".encode())
    for part in chunks(array):
        digest.update(np.ascontiguousarray(part).data)
    key = f"images-{digest.hexdigest()[:32]}"
    place = store.stage("given", key, lambda folder: np.save(folder / IMAGES, array))
    return str(place / IMAGES)


def _as_path(model: Any) -> Path:
    return Path(model)
