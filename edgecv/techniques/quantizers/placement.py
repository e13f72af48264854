"""Quantizers in a model of plain layers: one at each tensor that has a range as integers.

tensorflow-model-optimization places quantizers by patterns of two or three layers, and knows few
layers that have no weights. Here each layer gets its own by its kind, so any graph can be trained.
"""

from collections import Counter
from collections.abc import Collection
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.preprocessing import pixel_layers
from edgecv.models.tf import load_tensorflow
from edgecv.techniques.rewrites.plain_layers import nodes_of, rewritten

NOISES = ("GaussianNoise", "GaussianDropout", "AlphaDropout")
MOVES = frozenset(
    """
    Flatten Reshape Permute RepeatVector Identity ActivityRegularization Dropout SpatialDropout1D
    SpatialDropout2D MaxPooling1D MaxPooling2D ZeroPadding1D ZeroPadding2D Cropping1D Cropping2D
    """.split()
)
"""Layers that move or select values: what they give has the range of what they take."""
SAME_RANGE = frozenset(
    """
    Concatenate Maximum Minimum AveragePooling1D AveragePooling2D UpSampling1D UpSampling2D
    GlobalMaxPooling1D GlobalMaxPooling2D Resizing
    """.split()
)
"""Layers whose integer kernels want one range for all that they take and give."""
ARITHMETIC = frozenset(
    """
    Add Subtract Multiply Average Rescaling ReLU LeakyReLU GlobalAveragePooling1D
    GlobalAveragePooling2D
    """.split()
)
KERNELS = frozenset("Conv2D Conv2DTranspose DepthwiseConv2D Dense".split())
TAKES_UP_RELU = KERNELS | {"Add", "Subtract", "Multiply"}
"""Layers whose integer kernels have a relu behind them built in."""
NOT_AS_INTEGERS = frozenset(
    """
    PReLU ELU ThresholdedReLU LayerNormalization GroupNormalization UnitNormalization Normalization
    Dot Embedding
    """.split()
)
REMEDY = "replace it in the model, or leave qat out; --quantize int8 needs no training"


def quantize(model: KerasModel, shared: Collection[str] = ()) -> tuple[KerasModel, list[str]]:
    """Return a copy with quantizers, and the names of the layers that got none.

    ``shared``: layers whose kernels have one scale, so that equal weights stay equal. Raises
    InputError if a layer has no integer counterpart.
    """
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import (
        QuantizeLayer,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import (
        QuantizeWrapperV2,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.quantizers import (
        AllValuesQuantizer,
    )

    left_out = [layer.name for layer in pixel_layers(model)]
    bare = {layer.name for layer in model.layers if is_augmentation(layer)} | set(left_out)
    relus = fused_relus(model)

    def wrapped(layer: KerasLayer, name: str) -> list[Any]:
        copy = type(layer).from_config({**layer.get_config(), "name": name})
        if layer.name in bare:
            return [copy]
        if layer.weights:
            copy.build(layer.get_input_shape_at(0))
            copy.set_weights(layer.get_weights())
        config = _config(layer, one_scale=layer.name in shared, is_open=layer.name in relus)
        return [QuantizeWrapperV2(copy, config)]

    def pixels() -> Any:
        bytes_of_pixels = AllValuesQuantizer(8, per_axis=False, symmetric=False, narrow_range=False)
        return QuantizeLayer(bytes_of_pixels, name="quantize_pixels")

    result = rewritten(model, wrapped, None if left_out else pixels)
    return result, left_out


def is_augmentation(layer: KerasLayer) -> bool:
    """Return True if a layer acts only in training."""
    return type(layer).__name__.startswith("Random") or type(layer).__name__ in NOISES


def fused_relus(model: KerasModel) -> dict[str, str]:
    """Return layer -> relu for each relu that integer kernels have built into the layer before it.

    Nothing else takes that layer's output. There is one range, behind the relu.
    """
    _, keras = load_tensorflow()
    nodes = nodes_of(model)
    takers = Counter(id(tensor) for node in nodes for tensor in node.keras_inputs)
    takers.update(id(tensor) for tensor in model.outputs)
    uses = Counter(id(node.layer) for node in nodes)
    makers = {id(node.outputs): node.layer for node in nodes}
    found = {}
    for node in nodes:
        if not _is_fused_relu(node.layer, keras) or len(node.keras_inputs) != 1:
            continue
        (taken,) = node.keras_inputs
        maker: Any = makers.get(id(taken))
        is_alone = maker is not None and takers[id(taken)] == uses[id(maker)] == 1
        if is_alone and uses[id(node.layer)] == 1 and _is_linear(maker, keras):
            found[maker.name] = node.layer.name
    return found


def _is_fused_relu(layer: KerasLayer, keras: Any) -> bool:
    if type(layer) is keras.layers.Activation:
        return keras.activations.serialize(layer.activation) in ("relu", "relu6")
    is_relu = type(layer) is keras.layers.ReLU
    return (
        is_relu and layer.max_value in (None, 6) and not (layer.negative_slope or layer.threshold)
    )


def _is_linear(layer: KerasLayer, keras: Any) -> bool:
    if type(layer).__name__ not in TAKES_UP_RELU:
        return False
    return getattr(layer, "activation", keras.activations.linear) is keras.activations.linear


def _config(layer: KerasLayer, *, one_scale: bool, is_open: bool) -> Any:
    """Return the quantizers of one layer. ``is_open``: True if a relu behind it has the range."""
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_configs as outputs,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry as registry,
    )

    kind = type(layer).__name__
    _check(layer)
    if kind in KERNELS:
        activations = [] if is_open else ["activation"]
        if kind == "DepthwiseConv2D":
            # tfmot has one scale for all channels here. The converters round with one a channel,
            # and nine weights each that training did not see rounded lose less than that.
            return registry.Default8BitQuantizeConfig([], activations, False)
        if kind == "Conv2D" and not one_scale:
            return registry.Default8BitConvQuantizeConfig(["kernel"], activations, False)
        return registry.Default8BitQuantizeConfig(["kernel"], activations, False)
    if is_open or not has_range(layer):
        return outputs.NoOpQuantizeConfig()
    return outputs.Default8BitOutputQuantizeConfig()


def has_range(layer: KerasLayer) -> bool:
    """Return True if the output of a layer has a range of its own in a file of integers."""
    _, keras = load_tensorflow()
    kind = type(layer).__name__
    if kind == "Activation":
        return keras.activations.serialize(layer.activation) not in ("linear", "softmax")
    return kind in KERNELS | ARITHMETIC | SAME_RANGE


def _check(layer: KerasLayer) -> None:
    """Raise InputError if a layer's integers would differ from those in training."""
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        reason = "cannot be folded into the layer before it, and is not one of images"
    elif kind in NOT_AS_INTEGERS:
        reason = f"is a {kind}, which has no integer kernel"
    elif kind in MOVES | {"Activation", "Softmax"} or has_range(layer):
        return
    else:
        reason = f"is a {kind}, whose integers cannot be trained"
    raise InputError("qat", f"{layer.name} {reason}", remedy=REMEDY)
