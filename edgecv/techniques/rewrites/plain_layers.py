"""Rewrites of a model into plain layers: one flat graph, one operation per layer.

Quantization-aware training supports convolutions and dense layers, with a range behind each. Models
have more: nested models, a swish inside a convolution, two convolutions in one layer, a batch
normalization that cannot be folded.
"""

from typing import Any

import numpy as np

from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.preprocessing import pixel_normalization
from edgecv.models.tf import keras
from edgecv.techniques.rewrites.operator_layers import as_layer
from edgecv.techniques.rewrites.replay import Chain, makers_of, nodes_of, renamed, rewritten

KEPT_INSIDE = ("linear", "relu")
"""Activations that stay part of their layer: the integer kernels have them."""


def flatten(model: KerasModel) -> KerasModel:
    """Return a copy with the layers of nested models as its own.

    Layers keep their names; one whose name is taken gets the name of its model in front.
    """
    if not any(hasattr(layer, "layers") for layer in model.layers):
        return model
    return rewritten(model, lambda layer, name: [renamed(layer, name)])


def one_thing_a_layer(model: KerasModel) -> KerasModel:
    """Return a flat copy in which separable convolutions are two layers, and unusual activations
    and operators layers of their own."""
    return rewritten(model, _split)


def without_normalizations(model: KerasModel) -> KerasModel:
    """Return a copy in which each batch normalization of images is a 1x1 depthwise convolution.

    Exact in inference. It is for those that could not be folded into the layer before them.
    """

    def replace(layer: KerasLayer, name: str) -> Chain:
        if type(layer) is keras.layers.BatchNormalization:
            axes = len(layer.get_input_shape_at(0))
            if axes == 4 and [axis % axes for axis in layer.axis] == [3]:
                return _as_depthwise(layer, name)
        return [renamed(layer, name)]

    return rewritten(model, replace)


def with_biases(model: KerasModel) -> KerasModel:
    """Return a copy in which each convolution and dense layer has a bias: 0 where it had none."""
    kinds = (
        keras.layers.Conv2D,
        keras.layers.Conv2DTranspose,
        keras.layers.DepthwiseConv2D,
        keras.layers.Dense,
    )

    def replace(layer: KerasLayer, name: str) -> Chain:
        if type(layer) not in kinds or layer.use_bias:
            return [renamed(layer, name)]
        biased = renamed(layer, name, use_bias=True, bias_initializer="zeros")
        (kernel,) = layer.get_weights()
        biased.initial_weights = [kernel, np.zeros(layer.get_output_shape_at(0)[-1], np.float32)]
        return [biased]

    return rewritten(model, replace)


def merge_rescalings(model: KerasModel) -> KerasModel:
    """Return the model itself, with two rescalings in a row merged into the second.

    ``pixel / 127.5 - 1`` of a Keras 3 model is two layers; only one is folded into a convolution.
    """
    makers = makers_of(model)
    for node in nodes_of(model):
        layer = node.layer
        if not isinstance(layer, keras.layers.Rescaling):
            continue
        before = makers[id(node.keras_inputs[0])].layer
        if not isinstance(before, keras.layers.Rescaling):
            continue
        if len(before.outbound_nodes) == len(layer.inbound_nodes) == 1:
            layer.offset = _number(np.multiply(layer.scale, before.offset) + layer.offset)
            layer.scale = _number(np.multiply(layer.scale, before.scale))
            before.scale, before.offset = 1.0, 0.0
    return model


def _number(value: Any) -> Any:
    """Return a float, or a list of them: a configuration takes no arrays."""
    return value.tolist() if np.ndim(value) else float(value)


def normalization_of(layer: KerasLayer) -> tuple[Any, Any, Any]:
    """Return what a batch normalization does in inference: factor * (x - mean) + beta, float64."""
    factor = 1 / np.sqrt(layer.moving_variance.numpy().astype(np.float64) + layer.epsilon)
    if layer.scale:
        factor = factor * layer.gamma.numpy()
    beta = layer.beta.numpy() if layer.center else 0.0
    return factor, layer.moving_mean.numpy().astype(np.float64), beta


def _split(layer: KerasLayer, name: str) -> Chain:
    activation = getattr(layer, "activation", None)
    kinds = (
        keras.layers.Conv2D,
        keras.layers.DepthwiseConv2D,
        keras.layers.SeparableConv2D,
        keras.layers.Conv2DTranspose,
        keras.layers.Dense,
    )
    if (operator := as_layer(layer, name)) is not None:
        operator.replaces_operator = True
        return [operator]
    if type(layer) is keras.layers.Normalization and (rescaling := _as_rescaling(layer, name)):
        return [rescaling]
    if type(layer) not in kinds:
        return [renamed(layer, name)]
    rest: Chain = []
    if keras.activations.serialize(activation) not in KEPT_INSIDE:
        rest = [keras.layers.Activation(activation, name=f"{name}_activation")]
        rest[0].initial_weights = []
        activation = "linear"
    if type(layer) is keras.layers.SeparableConv2D:
        return [*_two_convolutions(layer, name, activation), *rest]
    plain = renamed(
        layer, name, activation=keras.activations.serialize(keras.activations.get(activation))
    )
    if rest:
        plain.initial_weights = layer.get_weights()
    return [plain, *rest]


def _as_rescaling(layer: KerasLayer, name: str) -> KerasLayer | None:
    """Return a normalization of pixels as factor and offset: of all channels, or of each."""
    found = pixel_normalization(layer)
    if found is None:
        return None
    values = [each[0] if np.ptp(each) == 0 else each for each in found]
    rescaling = keras.layers.Rescaling(
        *(float(each) if np.ndim(each) == 0 else each.tolist() for each in values), name=name
    )
    rescaling.initial_weights = []
    return rescaling


def _two_convolutions(layer: KerasLayer, name: str, activation: Any) -> Chain:
    depthwise = keras.layers.DepthwiseConv2D(
        layer.kernel_size,
        layer.strides,
        layer.padding,
        depth_multiplier=layer.depth_multiplier,
        dilation_rate=layer.dilation_rate,
        use_bias=False,
        trainable=layer.trainable,
        name=f"{name}_depthwise",
    )
    pointwise = keras.layers.Conv2D(
        layer.filters,
        1,
        use_bias=layer.use_bias,
        activation=activation,
        trainable=layer.trainable,
        name=name,
    )
    depthwise.initial_weights, pointwise.initial_weights = (
        layer.get_weights()[:1],
        layer.get_weights()[1:],
    )
    return [depthwise, pointwise]


def _as_depthwise(layer: KerasLayer, name: str) -> Chain:
    factor, mean, beta = normalization_of(layer)
    shift = -mean * factor + beta
    depthwise = keras.layers.DepthwiseConv2D(1, trainable=layer.trainable, name=name)
    depthwise.initial_weights = [
        factor.reshape(1, 1, -1, 1).astype(np.float32),
        shift.astype(np.float32),
    ]
    return [depthwise]
