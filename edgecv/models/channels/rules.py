"""Rules of the kinds of layers: one short function per kind, found by class name.

A rule takes the elements that enter a layer and gives those that leave it. On the way it ties
channels that belong together, holds those that it cannot follow, and records the axes of weights
that run along channels.
"""

from edgecv.core.keras_types import KerasLayer
from edgecv.models.channels import rules_unweighted as unweighted
from edgecv.models.channels import rules_weighted as weighted
from edgecv.models.channels.layer import Rule

KERAS_MODULES = ("keras.", "tf_keras.")


RULES: dict[str, Rule] = {
    "Dense": weighted.dense,
    "Conv1D": weighted.convolution,
    "Conv2D": weighted.convolution,
    "Conv2DTranspose": weighted.transposed,
    "DepthwiseConv2D": weighted.depthwise,
    "SeparableConv2D": weighted.separable,
    "BatchNormalization": weighted.batch_normalization,
    "PReLU": weighted.prelu,
    "Activation": unweighted.activation,
    "Rescaling": unweighted.rescaling,
    "Flatten": unweighted.reshape,
    "Reshape": unweighted.reshape,
    "Permute": unweighted.permute,
    "ZeroPadding2D": unweighted.zero_padding,
    "Concatenate": unweighted.concatenate,
    "Add": unweighted.merge(lambda values: values.sum(axis=0)),
    "Subtract": unweighted.merge(lambda values: values[0] - values[1]),
    "Multiply": unweighted.multiply,
    "Average": unweighted.merge(lambda values: values.mean(axis=0)),
    "Maximum": unweighted.merge(lambda values: values.max(axis=0)),
    "Minimum": unweighted.merge(lambda values: values.min(axis=0)),
    **dict.fromkeys(
        """
        Softmax Normalization RandomFlip RandomRotation RandomTranslation RandomZoom RandomContrast
        RandomBrightness RandomCrop
        """.split(),
        unweighted.across_channels,
    ),
    **dict.fromkeys(("ReLU", "LeakyReLU", "ELU", "ThresholdedReLU"), unweighted.elementwise),
    **dict.fromkeys(
        """
        Dropout SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout ActivityRegularization
        """.split(),
        unweighted.same,
    ),
    **dict.fromkeys(
        """
        MaxPooling2D AveragePooling2D GlobalAveragePooling2D GlobalMaxPooling2D
        Cropping2D UpSampling2D Resizing CenterCrop
        """.split(),
        unweighted.over_positions,
    ),
}


def rule_for(layer: KerasLayer) -> Rule | None:
    """Return the rule of a layer; None if its kind is not known."""
    cls = type(layer)
    if not f"{cls.__module__}.".startswith(KERAS_MODULES):
        return None
    if getattr(layer, "data_format", "channels_last") != "channels_last":
        return None
    return RULES.get(cls.__name__)
