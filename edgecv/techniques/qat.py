"""Quantization-aware training: the weights are trained on with the rounding of int8 in place.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", 2018, by tensorflow-model-optimization. What pruning and clustering made of the weights
is kept by our own constraint after every step, in kernels of every size.
"""

from typing import Any, ClassVar

import numpy as np

from edgecv.contracts import Technique, Tuning
from edgecv.distillation import Distillation
from edgecv.errors import InputError
from edgecv.kernels import is_clustered, kernels_of
from edgecv.records import Images
from edgecv.schedule import Schedule
from edgecv.techniques._kernels import clone
from edgecv.techniques._shared_values import kept
from edgecv.tf import load_tensorflow

IMAGES_FOR_RANGES = 200


class Qat(Technique):
    """Trains on with the rounding of int8 in place; zeros and shared weights are kept."""

    name: ClassVar[str] = "qat"
    may_follow: ClassVar[tuple[str, ...]] = ("shrink", "distil", "prune", "cluster")
    precisions: ClassVar[tuple[str, ...] | None] = ("int8",)
    adds_quantizers: ClassVar[bool] = True
    training: Schedule = Schedule(
        epochs=4, minimum_steps=150, learning_rate=0.0005, warmup=0.1, patience=None
    )
    """The fine-tuning."""
    distil: Distillation | None = None
    """Train against the baseline's outputs."""

    def check_model(self, model: Any) -> None:
        """Raise InputError where tensorflow-model-optimization does not know a layer."""
        quantize(model)

    def apply(self, model: Any, tuning: Tuning) -> Any:
        """Return a copy of the model with quantizers in it, trained on.

        Raises InputError where tensorflow-model-optimization does not know a layer.
        """
        quantized, left_out = quantize(model)
        if left_out:
            tuning.note(
                f"{', '.join(left_out)} has no quantizer of its own: exact arithmetic on pixels,"
                " which the converters fold into the first convolution"
            )
        set_ranges(quantized, model, tuning.calibration.images[:IMAGES_FOR_RANGES])
        tuning.fit(quantized, self.training, kept(quantized, tuning.note), self.distil)
        return quantized


def quantize(model: Any) -> tuple[Any, list[str]]:
    """Return a copy with quantizers, and the names of the layers that got none."""
    _, keras = load_tensorflow()
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry,
    )
    from tensorflow_model_optimization.quantization.keras import (
        quantize_annotate_layer,
        quantize_apply,
        quantize_scope,
    )

    one_scale = default_8bit_quantize_registry.Default8BitQuantizeConfig
    shared = {name for name, kernel in kernels_of(model).items() if is_clustered(kernel.numpy())}
    left_out = [layer.name for layer in model.layers if isinstance(layer, keras.layers.Rescaling)]

    def annotate(layer: Any) -> Any:
        if layer.name in left_out:
            return layer
        if layer.name in shared:
            # A scale a channel would make other numbers of one shared weight in each channel.
            return quantize_annotate_layer(layer, one_scale(["kernel"], ["activation"], False))
        return quantize_annotate_layer(layer)

    try:
        annotated = keras.models.clone_model(clone(model), clone_function=annotate)
        annotated.set_weights(model.get_weights())
        with quantize_scope():
            return quantize_apply(annotated), left_out
    except (RuntimeError, ValueError) as error:
        raise InputError(
            "qat",
            "tensorflow-model-optimization refused the model: "
            + " ".join(str(error).split("You can quantize")[0].split()),
            remedy="leave qat out; --quantize int8 needs no training",
        ) from error


def set_ranges(quantized: Any, model: Any, images: Images) -> None:
    """Start the ranges of the activations at what real images give: uint8 (N, H, W, C).

    tfmot starts them at -6..6 and moves them by a thousandth a step: a short training would end
    with ranges that are half empty.
    """
    _, keras = load_tensorflow()
    wrappers = [layer for layer in quantized.layers if hasattr(layer, "layer")]
    names = [wrapper.layer.name for wrapper in wrappers]
    outputs = [model.get_layer(name).output for name in names]
    values = keras.Model(model.inputs, outputs)(images.astype(np.float32), training=False)
    values = values if len(outputs) > 1 else [values]
    for wrapper, value in zip(wrappers, values, strict=True):
        for variable in wrapper.weights:
            kind = variable.name.split("/")[-1].split(":")[0]
            if kind in ("post_activation_min", "output_min"):
                variable.assign(min(0.0, float(value.numpy().min())))
            if kind in ("post_activation_max", "output_max"):
                variable.assign(max(1e-3, float(value.numpy().max())))
