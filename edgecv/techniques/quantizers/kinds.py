"""Kinds of layers in a plain model, by the range of the integers that they take and give."""

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasLayer
from edgecv.models.tf import keras

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
TAKES_UP_RELU = KERNELS | {"Add", "Subtract", "Multiply", "Average", "Rescaling"}
"""Layers whose integer kernels have a relu behind them built in."""
TAKES_UP_RELU_IN_ITS_RANGE = frozenset(
    "Concatenate MaxPooling1D MaxPooling2D AveragePooling1D AveragePooling2D".split()
)
"""Layers that do so too, and whose inputs then have the range of the relu."""
NOT_AS_INTEGERS = frozenset(
    """
    PReLU ELU ThresholdedReLU LayerNormalization GroupNormalization UnitNormalization Normalization
    Dot Embedding
    """.split()
)
REMEDY = "replace it in the model, or leave qat out; --quantize int8 needs no training"


def is_fused_relu(layer: KerasLayer) -> bool:
    """Return True if a layer is a relu that integer kernels have built in."""
    if type(layer) is keras.layers.Activation:
        return keras.activations.serialize(layer.activation) in ("relu", "relu6")
    is_relu = type(layer) is keras.layers.ReLU
    return (
        is_relu and layer.max_value in (None, 6) and not (layer.negative_slope or layer.threshold)
    )


def has_range(layer: KerasLayer) -> bool:
    """Return True if the output of a layer has a range of its own in a file of integers."""
    kind = type(layer).__name__
    if kind == "Activation":
        return keras.activations.serialize(layer.activation) not in ("linear", "softmax")
    return kind in KERNELS | ARITHMETIC | SAME_RANGE


def check_has_integers(layer: KerasLayer) -> None:
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
