"""Keras 2 files, ``.keras`` and ``.h5``: checked in full before tf-keras sees them, then loaded.

tf-keras gets a copy or a link with a name of our own, so that it reads the format that was checked:
it would read a file that starts as HDF5 and ends as a zip as either, depending on its name.
"""

import json
import math
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.tables import json_value
from edgecv.core.text import first_line, short_name
from edgecv.formats.keras.keras2_safety import check, classes_in, registered_names
from edgecv.formats.keras.keras3.archive import (
    DAMAGE,
    DEEPEST,
    LARGEST_CONFIGURATION_BYTES,
    MOST_VALUES,
    KerasArchive,
    damage_of,
    in_float32,
    read_configuration,
    with_tables,
)
from edgecv.formats.keras.keras3.weights import checked_bytes
from edgecv.formats.keras.sizes import LARGEST_TENSOR, weights_budget
from edgecv.formats.saved_model.frozen_graph import CLASS, REGISTERED, frozen_graph_layer
from edgecv.formats.trust import Trust
from edgecv.models.tf import keras, load_tensorflow

WRAPPERS = frozenset({"PruneLowMagnitude", "ClusterWeights"})

HALF = 2
"""Growth of weights that are stored in half precision, and become float32."""


@dataclass(frozen=True)
class Checked:
    """A checked file for tf-keras: its configuration, and the bytes of weights that it stores."""

    path: Path
    configuration: Any
    stored_bytes: int


def load_archive(path: Path, archive: KerasArchive, folder: Path, trust: Trust) -> KerasModel:
    """Return the model of an archive that tf-keras wrote; ``folder`` takes the checked copy."""
    check(path, archive.configuration, trust)
    stored = checked_bytes(path, archive.weights) * (HALF if archive.policies else 1)
    copy = folder / "checked.keras"
    archive.write(copy)
    return _load(path, Checked(copy, archive.configuration, stored), trust)


def load_hdf5(path: Path, trust: Trust) -> tuple[KerasModel, tuple[str, ...]]:
    """Return the model of an HDF5 file that Keras 2 wrote, and precisions that became float32."""
    import h5py

    configuration = read_hdf5_configuration(path)
    check(path, configuration, trust)
    stored = checked_bytes(path, path)
    policies: set[str] = set()
    readable = with_tables(in_float32(configuration, policies), _with_names)
    with tempfile.TemporaryDirectory(prefix="edgecv-keras2-") as name:
        checked = Path(name) / "checked.h5"
        if readable != configuration:
            stored *= HALF if policies else 1
            shutil.copyfile(path, checked)
            with h5py.File(checked, "r+") as file:
                file.attrs["model_config"] = json.dumps(readable).encode()
        else:
            checked.symlink_to(path.absolute())
        model = _load(path, Checked(checked, configuration, stored), trust)
    return model, tuple(sorted(policies))


def _with_names(table: dict[str, Any]) -> dict[str, Any]:
    """Put the name of a function where an activation is a table of one.

    tf-keras writes such tables for registered functions, and cannot read them from HDF5.
    """
    for key, each in table.items():
        is_table = isinstance(each, dict) and each.get("class_name") == "function"
        if is_table and key.endswith("activation") and isinstance(each.get("config"), str):
            table[key] = each["config"]
    return table


def hdf5_version(path: Path) -> str:
    """Return the version of Keras that wrote an HDF5 file; empty if it does not say."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            return str(file.attrs.get("keras_version", ""))
    except DAMAGE as error:
        raise InputError(str(path), f"is a damaged Keras file: {error}") from None


def read_hdf5_configuration(path: Path) -> Any:
    """Return the configuration of an HDF5 file. Raises InputError if it has none."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
    except DAMAGE as error:
        raise damage_of(path, error) from None
    if text is None:
        raise InputError(str(path), "holds weights but no model", remedy="save the whole model")
    if not isinstance(text, str | bytes) or len(text) > LARGEST_CONFIGURATION_BYTES:
        raise InputError(str(path), "is a damaged Keras file: its configuration is no text")
    try:
        content = text if isinstance(text, bytes) else text.encode()
        return json_value(content, most_values=MOST_VALUES, deepest=DEEPEST, is_finite=False)
    except ValueError as error:
        raise InputError(str(path), f"is a damaged Keras file: {error}") from None


def _load(path: Path, checked: Checked, trust: Trust) -> KerasModel:
    classes = classes_in(checked.configuration)
    objects = _objects(checked.configuration, classes, trust)
    try:
        with (
            _scopes(classes),
            weights_budget(path, checked.stored_bytes, is_trusted=trust.everything),
        ):
            model = keras.models.load_model(
                checked.path,
                custom_objects=objects,
                compile=False,
                safe_mode=not trust.everything,
            )
    except InputError:
        raise
    except Exception as error:  # errors of Keras have no other common base class
        is_hdf5 = path.suffix.lower() != ".keras"
        raise InputError(
            str(path),
            f"tf-keras cannot read it: {type(error).__name__}: {first_line(error)}",
            remedy="save the model as .keras" if is_hdf5 else "",
        ) from error
    # An empty configuration gives a table, or a model that was never built.
    if not isinstance(model, keras.Model) or not model.layers:
        raise InputError(str(path), "is a damaged Keras file: its configuration holds no layers")
    _check_tensors(path, model)
    _check_states(path, model)
    return _without_wrappers(model, classes)


def _objects(configuration: Any, classes: set[str], trust: Trust) -> dict[str, Any]:
    """Return the user's objects under every name that the file uses for them."""
    objects = trust.objects()
    registered = registered_names(configuration)
    found = dict(objects)
    for name, value in objects.items():
        found |= dict.fromkeys(registered.get(name, ()), value)
    if CLASS in classes:
        found[REGISTERED] = frozen_graph_layer()
    return found


@contextmanager
def _scopes(classes: set[str]) -> Iterator[None]:
    """Register the classes of tensorflow-model-optimization that a file names."""
    with ExitStack() as stack:
        if any(name.startswith("Quantize") for name in classes):
            from tensorflow_model_optimization.quantization.keras import quantize_scope

            stack.enter_context(quantize_scope())
        if "PruneLowMagnitude" in classes:
            from tensorflow_model_optimization.sparsity.keras import prune_scope

            stack.enter_context(prune_scope())
        if "ClusterWeights" in classes:
            from tensorflow_model_optimization.clustering.keras import cluster_scope

            stack.enter_context(cluster_scope())
        yield


def _check_tensors(path: Path, model: KerasModel) -> None:
    """Raise InputError if a tensor of the graph would exceed the memory when an image is run."""
    for layer in model._flatten_layers(include_self=False):
        for node in layer._inbound_nodes:
            for tensor in load_tensorflow()[0].nest.flatten(node.outputs):
                if math.prod(side or 1 for side in tuple(tensor.shape)[1:]) > LARGEST_TENSOR:
                    raise InputError(
                        str(path), f"{layer.name} gives a tensor of shape {tuple(tensor.shape)}"
                    )


def _check_states(path: Path, model: Any) -> None:
    """Refuse a recurrent layer whose answer for an image depends on the images before it."""
    for layer in model._flatten_layers(include_self=False):
        if isinstance(layer, keras.layers.RNN) and layer.stateful:
            raise InputError(
                str(path),
                f"{short_name(layer.name)} ({type(layer).__name__}) keeps its state from one image"
                " to the next (stateful=True)",
                accepted="recurrent layers that begin each image without a state",
                remedy="save the model with stateful=False in this layer",
            )


def has_wrappers(path: Path) -> bool:
    """Return True if a checked file holds wrappers of pruning or clustering."""
    is_archive = zipfile.is_zipfile(path)
    configuration = read_configuration(path) if is_archive else read_hdf5_configuration(path)
    return bool(classes_in(configuration) & WRAPPERS)


def _without_wrappers(model: KerasModel, classes: set[str]) -> KerasModel:
    """Remove the wrappers of training: masks of pruning, centroids of clustering."""
    if "PruneLowMagnitude" in classes:
        from tensorflow_model_optimization.sparsity.keras import strip_pruning

        model = strip_pruning(model)
    if "ClusterWeights" in classes:
        from tensorflow_model_optimization.clustering.keras import strip_clustering

        model = strip_clustering(model)
    return model
