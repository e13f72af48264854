"""Quantization-aware training: the weights are trained with the rounding of int8 in place.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", 2018, by tensorflow-model-optimization. Zeros and shared weights are kept by our own
constraint after every step, in kernels of every size.
"""

from collections.abc import Collection
from typing import Any, ClassVar

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.core.plugins import (
    OUTPUTS,
    QUANTIZERS,
    SHARED_VALUES,
    WIDTHS,
    ZEROS,
    Technique,
    TechniqueContext,
)
from edgecv.core.records import Images
from edgecv.core.technique_flag import TechniqueFlag
from edgecv.models.kernels import is_clustered, kernels_of
from edgecv.models.preprocessing import pixel_layers
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.layer_selection import clone
from edgecv.techniques.rewrites.fold_batch_norm import (
    fold,
    folded_note,
    fuse_relus,
    normalizations_in,
)
from edgecv.techniques.rewrites.plain_layers import (
    merge_rescalings,
    nodes_of,
    one_thing_a_layer,
    without_normalizations,
)
from edgecv.techniques.weight_sharing import kept

IMAGES_FOR_RANGES = 200
HALF_STEP = 0.5 + 1e-6
NOISES = ("GaussianNoise", "GaussianDropout", "AlphaDropout")
ARITHMETIC = ("Multiply Subtract Average Maximum Minimum Rescaling GlobalMaxPooling2D").split()
"""Layers without weights for which tfmot has no quantizer, or one only at some places."""
NOT_AS_INTEGERS = (
    "PReLU ELU ThresholdedReLU LayerNormalization GroupNormalization UnitNormalization "
    "Normalization Dot Embedding"
).split()


class Qat(Technique):
    """Trains on with the rounding of int8 in place; zeros and shared weights are kept."""

    name: ClassVar[str] = "qat"
    makes: ClassVar[frozenset[str]] = frozenset({QUANTIZERS})
    keeps: ClassVar[frozenset[str]] = frozenset({WIDTHS, OUTPUTS, ZEROS, SHARED_VALUES})
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Train on with the rounding of int8 in place.",
        place=50,
        beside={"distil": {"distil": {}}},
    )
    precisions: ClassVar[tuple[str, ...] | None] = ("int8",)
    training: Schedule = Schedule(
        epochs=4, minimum_steps=150, learning_rate=0.0005, warmup=0.1, patience=None
    )
    """The fine-tuning."""
    distil: Distillation | None = None
    """Train against the baseline's outputs."""

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if tensorflow-model-optimization does not know a layer."""
        quantize(plain(model)[0])

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy of the model with quantizers in it, trained on.

        Raises InputError if tensorflow-model-optimization does not know a layer.
        """
        model, folded = plain(model)
        if folded:
            context.note(folded_note(folded))
        quantized, left_out = quantize(model)
        if left_out:
            context.note(
                f"{', '.join(left_out)} has no quantizer of its own: exact arithmetic on pixels,"
                " which the converters fold into the first convolution"
            )
        set_ranges(quantized, model, context.calibration.images[:IMAGES_FOR_RANGES])
        context.fit(quantized, self.training, kept(quantized, context.note), self.distil)
        take_pixels(quantized)
        return quantized


def plain(model: KerasModel) -> tuple[KerasModel, tuple[str, ...]]:
    """Return a flat copy without batch normalization and relu as layers, and what was folded.

    Both converters then get plain convolutions, with one range behind each. Otherwise tfmot would
    round kernels before the normalization that converters fold into them, and would not round
    kernels with a relu layer behind them.
    """
    folded, names = fold(merge_rescalings(one_thing_a_layer(model)))
    if any(True for _ in normalizations_in(folded)):
        folded = without_normalizations(folded)
    return fuse_relus(folded), names


def quantize(model: KerasModel) -> tuple[KerasModel, list[str]]:
    """Return a copy with quantizers, and the names of the layers that got none."""
    _, keras = load_tensorflow()
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit.default_8bit_quantize_configs import (  # noqa: E501
        Default8BitOutputQuantizeConfig,
    )
    from tensorflow_model_optimization.quantization.keras import (
        quantize_annotate_layer,
        quantize_apply,
        quantize_scope,
    )

    quantizers = default_8bit_quantize_registry.Default8BitQuantizeConfig
    shared = {name for name, kernel in kernels_of(model).items() if is_clustered(kernel.numpy())}
    left_out = [layer.name for layer in pixel_layers(model)]
    bare = [layer.name for layer in model.layers if _is_augmentation(layer)]
    for layer in model.layers:
        if layer.name not in left_out:
            _check_layer(layer)

    def annotate(layer: KerasLayer) -> KerasLayer:
        if layer.name in (*left_out, *bare):
            return layer
        if isinstance(layer, keras.layers.DepthwiseConv2D):
            # tfmot has one scale for all channels here. The converters round with one a channel,
            # and nine weights each that training did not see rounded lose less than that.
            return quantize_annotate_layer(layer, quantizers([], ["activation"], False))
        if layer.name in shared:
            # One scale per channel would turn a shared weight into different numbers.
            return quantize_annotate_layer(layer, quantizers(["kernel"], ["activation"], False))
        if _has_a_range_alone(layer):
            return quantize_annotate_layer(layer, Default8BitOutputQuantizeConfig())
        return quantize_annotate_layer(layer)

    try:
        annotated = keras.models.clone_model(clone(model), clone_function=annotate)
        annotated.set_weights(model.get_weights())
        with quantize_scope():
            return _with_rounded_kernels(quantize_apply(annotated), shared), left_out
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "qat",
            "tensorflow-model-optimization refused the model: "
            + " ".join(str(error).split("You can quantize")[0].split()),
            remedy="leave qat out; --quantize int8 needs no training",
        ) from error


def _is_augmentation(layer: KerasLayer) -> bool:
    """Return True if a layer acts only in training."""
    return type(layer).__name__.startswith("Random") or type(layer).__name__ in NOISES


def _has_a_range_alone(layer: KerasLayer) -> bool:
    """Return True if a layer has no weights, but its output has a range of its own in a file."""
    _, keras = load_tensorflow()
    if isinstance(layer, keras.layers.Activation):
        return keras.activations.serialize(layer.activation) not in ("linear", "relu", "softmax")
    return type(layer).__name__ in ARITHMETIC


def _check_layer(layer: KerasLayer) -> None:
    """Raise InputError if a layer's integers would differ from those in training."""
    kind = type(layer).__name__
    if kind == "BatchNormalization":
        reason = "cannot be folded into the layer before it, and is not one of images"
    elif kind in NOT_AS_INTEGERS:
        reason = f"is a {kind}, which has no integer kernel"
    else:
        return
    raise InputError(
        "qat",
        f"{layer.name} {reason}",
        remedy="replace it in the model, or leave qat out; --quantize int8 needs no training",
    )


def _with_rounded_kernels(quantized: KerasModel, shared: Collection[str]) -> KerasModel:
    """Return a copy that rounds the kernels with an activation behind them as a layer, too.

    tfmot quantizes behind the activation then, which is right, and leaves the kernel as it is.
    ``shared``: the layers whose kernels have one scale.
    """
    _, keras = load_tensorflow()
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_configs,
        default_8bit_quantize_registry,
    )

    one_scale = default_8bit_quantize_registry.Default8BitQuantizeConfig
    configs = {
        keras.layers.Conv2D: default_8bit_quantize_registry.Default8BitConvQuantizeConfig,
        keras.layers.Dense: one_scale,
    }
    bare = {
        wrapper.name: one_scale if wrapper.layer.name in shared else configs[type(wrapper.layer)]
        for wrapper in quantized.layers
        if isinstance(
            getattr(wrapper, "quantize_config", None),
            default_8bit_quantize_configs.NoOpQuantizeConfig,
        )
        and type(wrapper.layer) in configs
    }
    if not bare:
        return quantized

    def copy(layer: KerasLayer) -> KerasLayer:
        if layer.name not in bare:
            return type(layer).from_config(layer.get_config())
        inner = type(layer.layer).from_config(layer.layer.get_config())
        return type(layer)(inner, bare[layer.name](["kernel"], [], False), name=layer.name)

    result = keras.models.clone_model(quantized, clone_function=copy)
    for layer in result.layers:
        before = quantized.get_layer(layer.name)
        if layer.name not in bare:
            layer.set_weights(before.get_weights())
            continue
        ((kernel, _, _),) = layer._weight_vars
        kernel.assign(before.layer.kernel)
        if layer.layer.use_bias:
            layer.layer.bias.assign(before.layer.bias)
    return result


def set_ranges(quantized: KerasModel, model: KerasModel, images: Images) -> None:
    """Initialize the ranges of the activations by real images: uint8 (N, H, W, C).

    tfmot starts them at -6..6 and moves them by a thousandth a step: a short training would end
    with ranges that are half empty.
    """
    _, keras = load_tensorflow()
    wrappers = [layer for layer in quantized.layers if hasattr(layer, "layer")]
    layers = [model.get_layer(wrapper.layer.name) for wrapper in wrappers]
    outputs = [
        [each.get_output_at(number) for number in range(len(each.inbound_nodes))] for each in layers
    ]
    values = keras.Model(model.inputs, outputs)(images.astype(np.float32), training=False)
    for wrapper, given in zip(wrappers, values, strict=True):
        least = min(float(each.numpy().min()) for each in given)
        most = max(float(each.numpy().max()) for each in given)
        for variable in wrapper.weights:
            kind = variable.name.split("/")[-1].split(":")[0]
            if kind in ("post_activation_min", "output_min"):
                variable.assign(min(0.0, least))
            if kind in ("post_activation_max", "output_max"):
                variable.assign(max(1e-3, most))


def take_pixels(quantized: KerasModel) -> None:
    """Rescale a padded first convolution, in place, to take pixels minus a whole number.

    The function stays the same, except at borders if zero is not a whole pixel: it is at most half
    a pixel off there. The ONNX exporter folds a rescaling into a convolution in this way. The
    converter of TensorFlow does so only without padding: otherwise it would round the pixels to
    steps of 1.5 before, and have other scales of weights. This is done after the training, whose
    steps are meant for weights of the usual size.
    """
    _, keras = load_tensorflow()
    nodes = nodes_of(quantized)
    for made in nodes:
        rescale = made.layer
        if not isinstance(rescale, keras.layers.Rescaling):
            continue
        takers = _takers(nodes, made.outputs)
        if len(takers) != 1 or np.ndim(rescale.scale) or np.ndim(rescale.offset):
            continue
        (wrapper,) = takers
        inner: KerasLayer = getattr(wrapper, "layer", None)
        if type(inner) is keras.layers.Conv2D and inner.padding == "same":
            _take_up(rescale, wrapper)


def _takers(nodes: list[Any], tensor: Tensor) -> list[Any]:
    """Return the layers that take a tensor, skipping those that act only in training."""
    found = []
    for node in nodes:
        if any(each is tensor for each in node.keras_inputs):
            is_transparent = _is_augmentation(node.layer)
            found += _takers(nodes, node.outputs) if is_transparent else [node.layer]
    return found


def _take_up(rescale: Any, wrapper: Any) -> None:
    """Move the factor of a rescaling into the weights behind it, if possible."""
    zero = float(np.clip(np.round(-rescale.offset / rescale.scale), 0, 255))
    rest = rescale.offset + rescale.scale * zero
    if abs(rest) > HALF_STEP * abs(rescale.scale) or (rest and not wrapper.layer.use_bias):
        return
    if not wrapper._weight_vars:
        return
    ((kernel, _, limits),) = wrapper._weight_vars
    if rest:
        wrapper.layer.bias.assign_add(rest * kernel.numpy().sum(axis=(0, 1, 2)))
    for variable in (kernel, *limits.values()):
        variable.assign(variable * rescale.scale)
    rescale.scale, rescale.offset = 1.0, -zero
