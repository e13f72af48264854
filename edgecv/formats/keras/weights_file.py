"""Weights of layers by name, from a file of weights or of a whole model; no layer is made of it."""

from pathlib import Path

from edgecv.core.files import open_regular
from edgecv.formats.keras.keras3.weights import Array, KerasWeights, UnusableWeights
from edgecv.formats.lookup import importer_of
from edgecv.formats.trust import Trust
from edgecv.system.isolation import check_hdf5

HDF5 = b"\x89HDF\r\n\x1a\n"
OF_A_MODEL = "model_weights"
"""The group of the weights in a whole model of Keras 2."""


def layer_weights(path: Path, trust: Trust) -> dict[str, list[Array]]:
    """Return the arrays of each layer that has some, in order, by its name.

    A file of tf-keras' ``.weights.h5`` names layers by their classes: conv2d, conv2d_1. Raises
    InputError for a file that is none of weights.
    """
    with open_regular(path) as file:
        is_hdf5 = file.read(len(HDF5)) == HDF5
    if not is_hdf5:
        model = importer_of(path).load(path, trust)
        return {layer.name: layer.get_weights() for layer in model.layers if layer.weights}
    check_hdf5(path)
    try:
        with KerasWeights(path) as found:
            return _by_layer(found)
    except UnusableWeights as error:
        raise error.of_file(path) from None


def _by_layer(found: KerasWeights) -> dict[str, list[Array]]:
    if any(name.startswith("layers/") for name in found.datasets):
        groups = dict.fromkeys("/".join(name.split("/")[:2]) for name in found.datasets)
        arrays = {found.name_of(group): found.arrays(group) for group in groups}
        if left := found.left_over():
            raise UnusableWeights(f"{left[0]} lies within a nested model")
        return {name: each for name, each in arrays.items() if each}
    is_model = any(name.startswith(f"{OF_A_MODEL}/") for name in found.datasets)
    depth = 2 if is_model else 1
    layers = dict.fromkeys("/".join(name.split("/")[:depth]) for name in found.datasets)
    return {
        layer.rpartition("/")[2]: [found.array(name) for name in found.in_order(layer)]
        for layer in layers
    }
