"""Preprocessing of pixels in the graph of a Keras model."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.core.preprocessing import Preprocessing, affine_of
from edgecv.models.kernels import kernels_of
from edgecv.models.tf import keras

LAYER = "preprocess"
"""The name of a layer that is put in front of a model; with a number where it has one of it."""
NOISES = ("GaussianNoise", "GaussianDropout", "AlphaDropout")


def found_in(model: KerasModel) -> str | None:
    """Return a description of the model's own rescaling layer; None if it has none."""
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    for layer in _first_layers(model):
        if isinstance(layer, kinds):
            return f"{layer.name} ({type(layer).__name__}) of the model itself"
    return None


def pixel_layers(model: KerasModel) -> list[Any]:
    """Return the layers of a flat model that rescale pixels before all other layers."""
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    return [layer for layer in _first_layers(model) if isinstance(layer, kinds)]


def pixel_normalization(layer: KerasLayer) -> tuple[Any, Any] | None:
    """Return factor and offset of a normalization: of all channels, or of each.

    None for one of other axes, or an inverted one.
    """
    rank = len(layer.get_input_shape_at(0))
    if layer.invert or [axis % rank for axis in layer.axis] not in ([], [rank - 1]):
        return None
    mean, variance = (np.asarray(each, np.float64).ravel() for each in (layer.mean, layer.variance))
    scale = 1 / np.maximum(np.sqrt(variance), keras.backend.epsilon())
    return scale, -mean * scale


def is_augmentation(layer: KerasLayer) -> bool:
    """Return True if a layer acts only in training."""
    return type(layer).__name__.startswith("Random") or type(layer).__name__ in NOISES


def with_preprocessing(
    model: KerasModel, asked: Preprocessing, where: str, *, is_trained: bool = False
) -> tuple[KerasModel, str]:
    """Return a model that takes pixels of 0..255, and a sentence on how that was done.

    ``model`` has one input, (N, H, W, C). A model that ``is_trained`` afterwards keeps its kernels
    as they are: the steps of a training are meant for weights of the usual size, and a folded
    kernel is 255 times smaller. Raises InputError if the numbers do not fit its channels.
    """
    scale, offset, order = affine_of(asked, int(model.inputs[0].shape[-1]), where)
    if asked == Preprocessing():
        return model, "pixels of 0..255 enter the model as they are"
    (pixels,) = model.inputs
    takers = takers_of(model, pixels)
    is_exact = is_plain_convolution(takers) and (takers[0].padding == "valid" or not offset.any())
    if is_exact and not is_trained:
        (first,) = takers
        return folded(model, first, scale, offset, order), f"folded into {first.name}, exactly"
    return _inserted(model, scale, offset, order), "a layer of its own in front of the model"


def _first_layers(model: KerasModel) -> Sequence[Any]:
    """Return the layers that only pixels go through: up to the first with weights of its own."""
    found: list[Any] = []
    for layer in model.layers:
        if isinstance(layer, keras.layers.InputLayer):
            continue
        is_model = isinstance(layer, keras.Model)
        found += _first_layers(layer) if is_model else [layer]
        if layer.trainable_weights or (is_model and kernels_of(layer, depthwise=True)):
            break
    return found


def takers_of(model: KerasModel, tensor: Tensor) -> list[Any]:
    """Return the layers of a flat model that take a tensor."""
    return [
        node.layer
        for nodes in model._nodes_by_depth.values()
        for node in nodes
        if any(each is tensor for each in node.keras_inputs)
        and not isinstance(node.layer, keras.layers.InputLayer)
    ]


def is_plain_convolution(takers: Sequence[Any]) -> bool:
    """Return True for one convolution that is called once."""
    is_one = len(takers) == 1 and type(takers[0]) is keras.layers.Conv2D
    return is_one and takers[0].groups == 1 and len(takers[0].inbound_nodes) == 1


def folded(
    model: KerasModel, first: Any, scale: Any, offset: Any, order: Sequence[int]
) -> KerasModel:
    """Return a copy whose first convolution takes pixels, with the scale in kernel and bias."""
    config = model.get_config()
    for table in config["layers"]:
        table.pop("build_config", None)
        if table["config"]["name"] == first.name:
            table["config"]["use_bias"] = True
    copy = type(model).from_config(config)
    for old, new in zip(model.layers, copy.layers, strict=True):
        if old is not first:
            new.set_weights(old.get_weights())
    kernel, *bias = first.get_weights()
    exact = kernel.astype(np.float64)
    # The network's channel c is the camera's channel order[c].
    moved = np.zeros_like(exact)
    moved[:, :, list(order), :] = exact * scale[:, np.newaxis]
    added = np.einsum("hwio,i->o", exact, offset) + (bias[0] if bias else 0.0)
    copy.get_layer(first.name).set_weights([moved.astype("float32"), added.astype("float32")])
    return copy


def _inserted(model: KerasModel, scale: Any, offset: Any, order: Sequence[int]) -> KerasModel:
    """Return a copy with a layer in front: a rescaling, or a 1x1 convolution that is not trained.

    A convolution turns channels, or has other numbers for each of them: a product and a sum of each
    channel take runtimes several times as long, and int8 files round after both.
    """
    channels, name = len(order), free_name(model, LAYER)
    layer = _pixel_layer(name, scale, offset, order)
    config = model.get_config()
    put_after_input(config, layer)
    copy = type(model).from_config(config)
    for old in model.layers:
        if old.weights:
            copy.get_layer(old.name).set_weights(old.get_weights())
    if isinstance(layer, keras.layers.DepthwiseConv2D):
        copy.get_layer(name).set_weights([np.reshape(scale, (1, 1, channels, 1)), offset])
    elif isinstance(layer, keras.layers.Conv2D):
        kernel = np.zeros((1, 1, channels, channels))
        for mine, camera in enumerate(order):
            kernel[0, 0, camera, mine] = scale[mine]
        copy.get_layer(name).set_weights([kernel, offset])
    return copy


def _pixel_layer(name: str, scale: Any, offset: Any, order: Sequence[int]) -> KerasLayer:
    if list(order) != sorted(order):
        return keras.layers.Conv2D(len(order), 1, trainable=False, name=name)
    if len(set(scale)) == len(set(offset)) == 1:
        return keras.layers.Rescaling(scale[0], offset[0], name=name)
    return keras.layers.DepthwiseConv2D(1, trainable=False, name=name)


def pixel_kernel(model: KerasModel) -> KerasLayer | None:
    """Return the convolution in front of a model that prepares its pixels; None without one.

    Depthwise or not, it is no layer of the user's model: no technique may change it.
    """
    layers = [each for each in model.layers if is_pixel_name(each.name) and not each.trainable]
    kinds = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    found = (each for each in layers if isinstance(each, kinds) and each.kernel_size == (1, 1))
    return next(found, None)


def is_pixel_name(name: str) -> bool:
    """Return True for the name of a layer that prepares pixels in front of a model.

    >>> is_pixel_name("preprocess"), is_pixel_name("preprocess_2"), is_pixel_name("preprocessing")
    (True, True, False)
    """
    return re.fullmatch(rf"{LAYER}(_\d+)?", name) is not None


def free_name(model: KerasModel, wanted: str) -> str:
    """Return a name that no layer of a model has: ``wanted``, or it with a number behind it."""
    taken = {layer.name for layer in model.layers}
    names = (wanted, *(f"{wanted}_{number}" for number in range(1, len(taken) + 1)))
    return next(name for name in names if name not in taken)


def put_after_input(config: dict[str, Any], layer: KerasLayer) -> None:
    """Write a layer into a model's configuration, between its input and all that takes it."""
    table: dict[str, Any] = {
        "module": "keras.layers",
        "class_name": type(layer).__name__,
        "config": layer.get_config(),
        "registered_name": None,
    }
    tables = config["layers"]
    place = next(n for n, each in enumerate(tables) if each["class_name"] == "InputLayer")
    name = tables[place]["config"]["name"]
    if "inbound_nodes" in tables[place]:
        for each in tables:
            each["inbound_nodes"] = _renamed(each["inbound_nodes"], name, layer.name)
        table |= {"name": layer.name, "inbound_nodes": [[[name, 0, 0, {}]]]}
    tables.insert(place + 1, table)


def _renamed(nodes: Any, name: str, new: str) -> Any:
    """Return a configuration's references with those to ``name`` replaced by ``new``."""
    if isinstance(nodes, list | tuple):
        if len(nodes) >= 3 and nodes[0] == name and isinstance(nodes[1], int):
            return [new, *nodes[1:]]
        return [_renamed(each, name, new) for each in nodes]
    return nodes
