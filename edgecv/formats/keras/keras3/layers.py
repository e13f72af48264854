"""Translation of a Keras 3 layer into tf-keras layers, option by option.

An unknown option is never dropped: its layer is refused.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from inspect import signature
from typing import Any

from edgecv.formats.keras.allowlist import LAYERS
from edgecv.formats.keras.keras3.activations import (
    ActivationStep,
    Steps,
    activation_of,
    after,
    as_layer,
)
from edgecv.formats.keras.keras3.options import (
    NoCounterpart,
    check_float32,
    object_of,
    plain,
    seed,
    table,
)
from edgecv.models.tf import keras

RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}
UNUSED: Mapping[str, Any] = {
    "quantization_config": None,
    "lora_rank": None,
    "lora_alpha": None,
    "groups": 1,
    "renorm": False,
    "rms_scaling": False,
    "antialias": False,
    "pad_to_aspect_ratio": False,
    "bounding_box_format": None,
    "dynamic": False,
    "keepdims": False,
}
"""Options that tf-keras does not have, with the value at which they have no effect."""
WITHOUT_EFFECT = frozenset(
    {"data_format", "synchronized", "fill_mode", "fill_value", "value_range"}
)
"""Options that act, where tf-keras does not have them, only in training or with an unused one."""
OTHERWISE = frozenset({"dynamic", "renorm", "synchronized"})
"""Options that tf-keras has, and carries out in another way than Keras 3."""
COMMON = frozenset({"name", "trainable", "dtype", "autocast"})
AS_ACTIVATION = frozenset({"ReLU", "LeakyReLU", "ELU", "Softmax"})
"""Layers without weights that another layer can have as its activation."""


def steps_of(kind: str, config: Mapping[str, Any]) -> Steps:
    """Return the tf-keras layers of a Keras 3 layer. Raises NoCounterpart with the reason."""
    check_float32(config.get("dtype"))
    if kind not in LAYERS:
        raise NoCounterpart("has no counterpart in tf-keras")
    if config.get("data_format") not in (None, "channels_last"):
        raise NoCounterpart("has its channels first; rebuild the model with channels last")
    if kind == "Identity":
        kind, config = "Activation", {**config, "activation": "linear"}
    options, tail = _translated(kind, config)
    if kind == "Activation" and tail:
        return as_layer(tail)
    return after(ActivationStep(kind, options), tail)


@cache
def options_of(kind: str) -> frozenset[str]:
    """Return the names of the options that a layer of tf-keras takes as Keras 3 does."""
    classes = getattr(keras.layers, kind).__mro__
    layers = [each for each in classes if issubclass(each, keras.layers.Layer)]
    return frozenset(x for each in layers for x in signature(each.__init__).parameters) - OTHERWISE


def lambda_options(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of a Lambda, whose Python code both versions store in the same way."""
    function = table(config.get("function"), "a function")
    code = table(function.get("config"), "a function")
    if function.get("class_name") != "__lambda__":
        raise NoCounterpart("calls a function by name, not Python code that the file holds")
    return {
        "function": [code.get("code"), code.get("defaults"), code.get("closure")],
        "function_type": "lambda",
        "module": "builtins",
        "output_shape": None,
        "output_shape_type": "raw",
        "output_shape_module": None,
        "arguments": dict(config.get("arguments") or {}),
    }


def _translated(kind: str, config: Mapping[str, Any]) -> tuple[dict[str, Any], Steps]:
    """Return the options of a tf-keras layer, and the steps of an activation that follows it."""
    options: dict[str, Any] = {}
    tail: Steps = ()
    for key, value in config.items():
        option = RENAMED.get((kind, key), key)
        if key in COMMON:
            continue
        if option not in options_of(kind):
            if key not in WITHOUT_EFFECT and (key not in UNUSED or value != UNUSED[key]):
                raise NoCounterpart(f"has the option {key}, which tf-keras does not have")
        elif option == "activation":
            options[option], tail = _activation_of(value)
        elif option == "seed":
            options[option] = seed(value)
        elif option.endswith(("_initializer", "_regularizer", "_constraint")):
            options[option] = object_of(value, option)
        else:
            options[option] = plain(value, option)
    return options, tail


def _activation_of(value: Any) -> tuple[str, Steps]:
    """Return the activation that a layer can have itself, and the steps that follow it."""
    if isinstance(value, dict) and value.get("class_name") in AS_ACTIVATION:
        (step,) = steps_of(value["class_name"], table(value.get("config"), "activation"))
        return "linear", (replace(step, suffix="activation"),)
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value.get("config")
    if not isinstance(value, str | None):
        raise NoCounterpart("has an activation that is no name")
    return activation_of(value or "linear")
