"""The child process with Keras 3: runs a model and records its layers, exports it, saves it.

It sees only files that were checked before.
"""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.core.text import first_line
from edgecv.formats.keras.sizes import LARGEST_TENSOR, weights_budget
from edgecv.formats.trust import import_object
from edgecv.system.isolation.limits import AddressSpace
from edgecv.system.isolation.server import Action, ActionServer, Response

LARGEST_RECORD_BYTES = 2**28
MOST_RECORDS = 960
LARGEST_RANK = 4
BATCH = 4
"""Images of a batch: an eager run keeps the outputs of all layers in memory."""
MEMORY_BYTES = 8 * 2**30
"""Address space that a request may add, beside 32 times the size of its model file."""
MEMORY_A_FILE_BYTE = 32
THREADS_A_CORE = 4

Array = NDArray[np.float32]


class Recorder:
    """Records the output of each layer for the first image, in the order of their first calls."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.arrays: list[Array] = []
        self._bytes = 0

    def watch(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a layer's ``call`` that is recorded under a name."""

        def recorded(*arguments: Any, **options: Any) -> Any:
            given = call(*arguments, **options)
            if name not in self.names and hasattr(given, "shape"):
                self._keep(name, np.asarray(given[:1]))
            return given

        return recorded

    def _keep(self, name: str, value: NDArray[Any]) -> None:
        value = value.astype(np.float32)
        if value.ndim > LARGEST_RANK or len(self.names) >= MOST_RECORDS:
            return
        if self._bytes + value.nbytes <= LARGEST_RECORD_BYTES:
            self._bytes += value.nbytes
            self.names.append(name)
            self.arrays.append(value)


@contextmanager
def recording(layers: Iterable[tuple[str, Any]]) -> Iterator[Recorder]:
    """Record the outputs of layers, each with its path, while they are called."""
    recorder, watched = Recorder(), list(layers)
    for path, layer in watched:
        layer.__dict__["call"] = recorder.watch(path, layer.call)
    try:
        yield recorder
    finally:
        for _, layer in watched:
            layer.__dict__.pop("call", None)


def main() -> None:
    """Serve requests from standard input until it ends."""
    server = ActionServer("Keras 3")
    original = OriginalServer(server)
    actions: dict[str, Action] = {
        "run": original.run,
        "export": original.export,
        "save": original.save,
    }
    server.serve(actions, prepare=original.import_keras)


class OriginalServer:
    """The actions of ``OriginalModel``. A model stays open for all requests that name it."""

    def __init__(self, server: ActionServer) -> None:
        self._server = server
        self._keras: Any = None
        self._models: dict[str, Any] = {}

    def import_keras(self) -> None:
        """Import Keras 3."""
        import keras  # type: ignore[import-untyped]

        self._keras = keras

    def run(
        self, path: str, everything: bool, custom_objects: list[str], arrays: list[Array]
    ) -> Response:
        """Return the model's outputs for images, one array per input. Raises StepError."""
        try:
            model = self._opened(path, everything, custom_objects)
            names, found, count = _run(self._keras, model, arrays)
        except EdgecvError:
            raise
        except Exception as error:
            found_wrong = f"cannot run it: {type(error).__name__}: {first_line(error)}"
            raise StepError(path, found_wrong) from error
        return {"layers": names, "outputs": count}, found

    def export(
        self, path: str, everything: bool, custom_objects: list[str], target: str
    ) -> Response:
        """Write the inference of a model as a SavedModel: float32 images -> its output."""
        _export(self._keras, self._opened(path, everything, custom_objects), target)
        return {}, []

    def save(self, path: str, everything: bool, custom_objects: list[str], target: str) -> Response:
        """Write a model as a Keras 3 archive."""
        self._opened(path, everything, custom_objects).save(target)
        return {}, []

    def _opened(self, path: str, everything: bool, custom_objects: Sequence[str]) -> Any:
        self._server.doing = "reading it"
        if path not in self._models:
            size = Path(path).stat().st_size
            allowed = MEMORY_BYTES + MEMORY_A_FILE_BYTE * size
            self._server.memory = AddressSpace(allowed, THREADS_A_CORE * (os.cpu_count() or 1))
            # Weights stored in half precision become float32.
            with weights_budget(Path(path), 2 * size, is_trusted=everything):
                model = _load(self._keras, Path(path), everything, custom_objects)
            _check_tensors(self._keras, model, path)
            self._models[path] = model
        return self._models[path]


def _load(keras: Any, path: Path, everything: bool, custom_objects: Sequence[str]) -> Any:
    """Load the archive, with the user's own classes: here they have to be of Keras 3."""
    objects = {}
    for text in custom_objects:
        found = import_object(text)
        if isinstance(found, type) and not issubclass(found, keras.layers.Layer):
            raise TypeError(
                f"{text} is no layer of Keras 3: get it by from tensorflow import keras"
            )
        objects[text.partition(":")[2]] = found
    return keras.saving.load_model(
        path, custom_objects=objects, compile=False, safe_mode=not everything
    )


def _check_tensors(keras: Any, model: Any, path: str) -> None:
    """Raise InputError if a tensor of the graph would exceed the memory when an image is run."""
    for place, operation in _operations(model, ""):
        for node in operation._inbound_nodes:
            for tensor in keras.tree.flatten(node.output_tensors):
                if math.prod(side or 1 for side in tensor.shape[1:]) > LARGEST_TENSOR:
                    raise InputError(path, f"{place} gives a tensor of shape {tensor.shape}")


def _export(keras: Any, model: Any, target: str) -> None:
    """Write a SavedModel whose graph has no loops where a recurrent layer can do without."""
    import tensorflow

    for layer in model._flatten_layers():
        if hasattr(layer, "unroll"):
            layer.unroll = True
    structure, entering = _structure(model), model.inputs[0]

    def serve(image: Any) -> Any:
        given = keras.tree.pack_sequence_as(structure, [keras.ops.cast(image, entering.dtype)])
        return model(given, training=False)

    image = tensorflow.TensorSpec((None, *entering.shape[1:]), tensorflow.float32, name="image")
    archive = keras.export.ExportArchive()
    archive.track(model)
    with _without_xla(tensorflow):
        archive.add_endpoint("serving_default", serve, input_signature=[image])
        archive.write_out(target, verbose=False)


@contextmanager
def _without_xla(tensorflow: Any) -> Iterator[None]:
    """Trace functions that Keras compiles by XLA, for grouped convolutions, as plain operations."""
    function = tensorflow.function

    def plain(*arguments: Any, jit_compile: Any = None, **options: Any) -> Any:
        return function(*arguments, **options)

    tensorflow.function = plain
    try:
        yield
    finally:
        tensorflow.function = function


def _structure(model: Any) -> Any:
    """Return the structure in which a model takes its inputs."""
    # A Sequential model that was loaded has an input, but only in the model that it wraps.
    return (getattr(model, "_functional", None) or model).input


def _run(keras: Any, model: Any, images: list[Array]) -> tuple[list[str], list[Array], int]:
    structure = _structure(model)
    types = [tensor.dtype for tensor in model.inputs]

    def call(batch: list[Array]) -> list[Array]:
        tensors = [keras.ops.cast(each, kind) for each, kind in zip(batch, types, strict=True)]
        given = model(keras.tree.pack_sequence_as(structure, tensors), training=False)
        return [np.asarray(each, np.float32) for each in keras.tree.flatten(given)]

    with recording(_operations(model, "")) as recorder:
        outputs = in_batches(call, images)
    return recorder.names, [*outputs, *recorder.arrays], len(outputs)


def in_batches(call: Callable[[list[Array]], list[Array]], images: Sequence[Array]) -> list[Array]:
    """Run all images in batches: one array per input -> one array per output."""
    starts = range(0, len(images[0]), BATCH)
    parts = [call([each[start : start + BATCH] for each in images]) for start in starts]
    return [np.concatenate(each) for each in zip(*parts, strict=True)]


def _operations(model: Any, place: str) -> Iterator[tuple[str, Any]]:
    """Yield every layer and operation of a model and of nested models, with its path."""
    for operation in getattr(model, "operations", None) or model.layers:
        path = f"{place}/{operation.name}" if place else operation.name
        if hasattr(operation, "layers"):
            yield from _operations(operation, path)
        else:
            yield path, operation
