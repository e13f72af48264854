"""The input of a Keras model, rebuilt: images of one size, (N, H, W, C)."""

from typing import Any

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.preprocessing import free_name, put_after_input, takers_of
from edgecv.models.tf import keras

FRONT = "image"
"""The name of the layer that turns images into what the model's own input takes."""


def resized_to(model: KerasModel) -> tuple[int, int] | None:
    """Return height and width of the Resizing layer that all pixels go through first, else None."""
    layer = _first_layer(model)
    while isinstance(layer, keras.Model):
        layer = _first_layer(layer)
    return (layer.height, layer.width) if isinstance(layer, keras.layers.Resizing) else None


def with_image_input(model: KerasModel, order: str, image: Shape) -> KerasModel:
    """Return a copy that takes images of one shape, float32 (N, H, W, C).

    ``order``: the axes of the model's own input, such as "NCHW" or "NHW".
    """
    config = _with_input_layer(model.get_config(), model)
    front = _front_layer(model, order, image)
    shape = image if order == "NHWC" or front is None else _own_shape(order, image)
    _fix(config, shape)
    if front is not None:
        put_after_input(config, front)
        _fix(config, image)
    copy = _rebuilt(model, config)
    if _fix_nested(config, copy):
        copy = _rebuilt(model, config)
    for layer in model.layers:
        if layer.weights:
            copy.get_layer(layer.name).set_weights(layer.get_weights())
    return copy


def _first_layer(model: KerasModel) -> Any:
    """Return the only layer that takes the model's input; None if there are several."""
    takers = _takers(model)
    return takers[0] if len(takers) == 1 else None


def _takers(model: KerasModel) -> list[Any]:
    (pixels,) = model.inputs
    return takers_of(model, pixels)


def _front_layer(model: KerasModel, order: str, image: Shape) -> KerasLayer | None:
    """Return the layer between images (N, H, W, C) and the model's own input; None without one."""
    if order == "NCHW":
        return keras.layers.Permute((3, 1, 2), name=free_name(model, FRONT))
    # Both give the same numbers in the same order, whether or not there is an axis of length 1.
    takes_any = all(
        isinstance(each, keras.layers.Flatten | keras.layers.Reshape) for each in _takers(model)
    )
    if order == "NHW" and not takes_any:
        return keras.layers.Reshape(image[:2], name=free_name(model, FRONT))
    return None


def _own_shape(order: str, image: Shape) -> tuple[int, ...]:
    lengths = dict(zip("HWC", image, strict=True))
    return tuple(lengths[axis] for axis in order if axis != "N")


def _with_input_layer(config: dict[str, Any], model: KerasModel) -> dict[str, Any]:
    """Return a configuration that begins with its input; a Sequential model may leave it out."""
    if "build_input_shape" in config:
        del config["build_input_shape"]
        layer = keras.layers.InputLayer(tuple(model.inputs[0].shape)[1:])
        table = {"class_name": "InputLayer", "config": layer.get_config()}
        if config["layers"][0]["class_name"] != "InputLayer":
            config["layers"].insert(0, table)
    return config


def _fix(config: dict[str, Any], shape: tuple[int, ...]) -> None:
    """Write the shape of one image into a model's configuration."""
    for table in config["layers"]:
        table.pop("build_config", None)
        if table["class_name"] == "InputLayer":
            table["config"]["batch_input_shape"] = (None, *shape)


def _fix_nested(config: dict[str, Any], model: KerasModel) -> bool:
    """Write the shapes that nested models are called with into their configurations.

    Returns True if that changes one: its layers then have known shapes too.
    """
    changed = False
    for table in config["layers"]:
        inner = table["config"]
        if not isinstance(inner, dict) or "layers" not in inner:
            continue
        nested = model.get_layer(inner["name"])
        called = {tuple(node.input_shapes)[1:] for node in _calls(nested, model)}
        if len(called) != 1 or len(nested.inputs) != 1:
            continue
        (shape,) = called
        if None in tuple(nested.inputs[0].shape)[1:] and None not in shape:
            _fix(_with_input_layer(inner, nested), shape)
            changed = True
    return changed


def _calls(layer: KerasModel, model: KerasModel) -> list[Any]:
    """Return the calls of a nested model within a model."""
    nodes = {id(node) for nodes in model._nodes_by_depth.values() for node in nodes}
    found = [node for node in layer.inbound_nodes if id(node) in nodes]
    return [node for node in found if isinstance(node.input_shapes, tuple)]


def _rebuilt(model: KerasModel, config: dict[str, Any]) -> KerasModel:
    return type(model).from_config(config)
