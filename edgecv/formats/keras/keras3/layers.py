"""Translation of a Keras 3 layer into tf-keras layers, option by option.

An unknown option is never dropped: its layer is refused.
"""

from collections.abc import Callable, Mapping
from typing import Any

from edgecv.formats.keras.keras3.activations import (
    MADE,
    NATIVE,
    ActivationStep,
    Steps,
    activation,
    after,
)
from edgecv.formats.keras.keras3.options import (
    NoCounterpart,
    check_float32,
    object_of,
    plain,
    seed,
    table,
)


def _weight(*names: str) -> str:
    kinds = ("initializer", "regularizer", "constraint")
    return " ".join(f"{name}_{kind}" for name in names for kind in kinds)


_CONVOLUTION = (
    "kernel_size strides padding dilation_rate data_format activation activity_regularizer "
    f"use_bias {_weight('bias')}"
)
_KERNEL = f"filters {_CONVOLUTION} {_weight('kernel')}"
_DEPTHWISE = f"depth_multiplier {_CONVOLUTION} {_weight('depthwise')}"
_SEPARABLE = f"filters {_DEPTHWISE} {_weight('pointwise')}"
_NORMALIZATION = f"axis epsilon center scale {_weight('beta', 'gamma')}"
_MOVED = "fill_mode fill_value interpolation seed"
OPTIONS: Mapping[str, str] = {
    "Conv1D": f"{_KERNEL} groups",
    "Conv2D": f"{_KERNEL} groups",
    "Conv1DTranspose": f"{_KERNEL} output_padding",
    "Conv2DTranspose": f"{_KERNEL} output_padding",
    "DepthwiseConv1D": _DEPTHWISE,
    "DepthwiseConv2D": _DEPTHWISE,
    "SeparableConv1D": _SEPARABLE,
    "SeparableConv2D": _SEPARABLE,
    "Dense": f"units activation use_bias {_weight('kernel', 'bias')} activity_regularizer",
    "BatchNormalization": f"{_NORMALIZATION} momentum {_weight('moving_mean', 'moving_variance')}",
    "LayerNormalization": _NORMALIZATION,
    "GroupNormalization": f"{_NORMALIZATION} groups",
    "UnitNormalization": "axis",
    "Normalization": "axis mean variance invert",
    "Rescaling": "scale offset",
    "Resizing": "height width interpolation crop_to_aspect_ratio",
    "CenterCrop": "height width",
    "ZeroPadding1D": "padding",
    "ZeroPadding2D": "padding data_format",
    "Cropping1D": "cropping",
    "Cropping2D": "cropping data_format",
    "UpSampling1D": "size",
    "UpSampling2D": "size data_format interpolation",
    "MaxPooling1D": "pool_size strides padding data_format",
    "MaxPooling2D": "pool_size strides padding data_format",
    "AveragePooling1D": "pool_size strides padding data_format",
    "AveragePooling2D": "pool_size strides padding data_format",
    "GlobalMaxPooling1D": "keepdims data_format",
    "GlobalMaxPooling2D": "keepdims data_format",
    "GlobalAveragePooling1D": "keepdims data_format",
    "GlobalAveragePooling2D": "keepdims data_format",
    "ReLU": "max_value negative_slope threshold",
    "PReLU": f"{_weight('alpha')} shared_axes",
    "LeakyReLU": "alpha",
    "ELU": "alpha",
    "Softmax": "axis",
    "Add": "",
    "Subtract": "",
    "Multiply": "",
    "Average": "",
    "Maximum": "",
    "Minimum": "",
    "Concatenate": "axis",
    "Dot": "axes normalize",
    "Flatten": "data_format",
    "Reshape": "target_shape",
    "Permute": "dims",
    "RepeatVector": "n",
    "Dropout": "rate noise_shape seed",
    "SpatialDropout1D": "rate",
    "SpatialDropout2D": "rate data_format",
    "GaussianNoise": "stddev seed",
    "GaussianDropout": "rate seed",
    "AlphaDropout": "rate noise_shape seed",
    "ActivityRegularization": "l1 l2",
    "RandomFlip": "mode seed",
    "RandomRotation": f"factor {_MOVED}",
    "RandomTranslation": f"height_factor width_factor {_MOVED}",
    "RandomZoom": f"height_factor width_factor {_MOVED}",
    "RandomContrast": "factor seed",
    "RandomBrightness": "factor value_range seed",
    "RandomCrop": "height width seed",
}
"""Options that tf-keras takes; of ``data_format``, only ``channels_last``."""
RENAMED = {("LeakyReLU", "negative_slope"): "alpha"}
UNUSED: Mapping[str, Any] = {
    "data_format": "channels_last",
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
    {
        ("BatchNormalization", "synchronized"),
        ("BatchNormalization", "renorm_clipping"),
        ("BatchNormalization", "renorm_momentum"),
        ("Resizing", "fill_mode"),
        ("Resizing", "fill_value"),
        ("RandomContrast", "value_range"),
        ("RandomCrop", "value_range"),
        ("RandomFlip", "value_range"),
        ("RandomTranslation", "value_range"),
        ("RandomZoom", "value_range"),
        ("SpatialDropout1D", "seed"),
        ("SpatialDropout1D", "noise_shape"),
        ("SpatialDropout2D", "seed"),
        ("SpatialDropout2D", "noise_shape"),
    }
)
"""Options without effect on outputs: they act only in training, or with an unused option."""
COMMON = frozenset({"name", "trainable", "dtype", "autocast"})
AS_ACTIVATION = frozenset({"ReLU", "LeakyReLU", "ELU", "Softmax"})
"""Layers without weights that another layer can have as its activation."""


def steps_of(kind: str, config: Mapping[str, Any]) -> Steps:
    """Return the tf-keras layers of a Keras 3 layer. Raises NoCounterpart with the reason."""
    check_float32(config.get("dtype"))
    special = SPECIAL.get(kind)
    return special(config) if special else _translated(kind, config)


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


def _translated(kind: str, config: Mapping[str, Any]) -> Steps:
    options: dict[str, Any] = {}
    tail: Steps = ()
    for key, value in config.items():
        option = RENAMED.get((kind, key), key)
        if key in COMMON:
            continue
        if option not in OPTIONS[kind].split():
            _check_unused(kind, key, value)
        elif option == "activation":
            options[option], tail = _activation_of(value)
        elif option == "seed":
            options[option] = seed(value)
        elif option.endswith(("_initializer", "_regularizer", "_constraint")):
            options[option] = object_of(value, option)
        else:
            options[option] = plain(value, option)
    if options.get("data_format") not in (None, "channels_last"):
        raise NoCounterpart("has its channels first; rebuild the model with channels last")
    return after(ActivationStep(kind, options), tail)


def _check_unused(kind: str, key: str, value: Any) -> None:
    if (kind, key) in WITHOUT_EFFECT or (key == "data_format" and value is None):
        return
    if key not in UNUSED or value != UNUSED[key]:
        raise NoCounterpart(f"has the option {key}, which tf-keras does not have")


def _activation_of(value: Any) -> tuple[str, Steps]:
    """Return the activation that a layer can have itself, and the steps that follow it."""
    if isinstance(value, dict) and value.get("class_name") in AS_ACTIVATION:
        (step,) = steps_of(value["class_name"], table(value.get("config"), "activation"))
        return "linear", (ActivationStep(step.class_name, step.options, suffix="activation"),)
    name = _activation_name(value)
    if name in NATIVE:
        return NATIVE[name], ()
    if name in MADE:
        return "linear", MADE[name]
    raise NoCounterpart(f"has the activation {name!r}")


def _activation_name(value: Any) -> str:
    if isinstance(value, dict) and value.get("class_name") == "function":
        value = value.get("config")
    if value is None:
        return "linear"
    if not isinstance(value, str):
        raise NoCounterpart("has an activation that is no name")
    return value


def _activation_layer(config: Mapping[str, Any]) -> Steps:
    value = config.get("activation")
    if isinstance(value, dict) and value.get("class_name") in AS_ACTIVATION:
        return steps_of(value["class_name"], table(value.get("config"), "activation"))
    name = _activation_name(value)
    steps = activation(name)
    if steps is None:
        raise NoCounterpart(f"is {name!r}")
    for key in config.keys() - COMMON - {"activation"}:
        _check_unused("Activation", key, config[key])
    return steps


def _identity(config: Mapping[str, Any]) -> Steps:
    for key in config.keys() - COMMON:
        _check_unused("Identity", key, config[key])
    return (ActivationStep("Activation", {"activation": "linear"}),)


SPECIAL: Mapping[str, Callable[[Mapping[str, Any]], Steps]] = {
    "Activation": _activation_layer,
    "Identity": _identity,
}
