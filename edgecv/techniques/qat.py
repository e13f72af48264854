"""Quantization-aware training: the weights are trained with the rounding of int8 in place.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", 2018, by tensorflow-model-optimization. Zeros and shared weights are kept by our own
constraint after every step, in kernels of every size.
"""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import (
    OF_FLOAT_MODELS,
    Constraint,
    ModelProperty,
    Technique,
    TechniqueContext,
    TechniqueFlag,
)
from edgecv.models.quantizers import LARGEST_CODE, wrappers_of
from edgecv.models.tf import keras
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.quantizers.first_kernels import take_pixels
from edgecv.techniques.quantizers.linear_layers import largest_code
from edgecv.techniques.quantizers.placement import quantize
from edgecv.techniques.quantizers.ranges import set_ranges
from edgecv.techniques.rewrites.fold_batch_norm import folded_note
from edgecv.techniques.rewrites.plain_network import plain
from edgecv.techniques.weight_sharing import kept


class Qat(Technique):
    """Trains on with the rounding of int8 in place; zeros and shared weights are kept."""

    name: ClassVar[str] = "qat"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.QUANTIZERS})
    keeps: ClassVar[frozenset[str]] = OF_FLOAT_MODELS
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
        """Raise InputError if a layer has no integer counterpart."""
        quantize(plain(model)[0])

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy of the model with quantizers in it, trained on.

        Raises InputError if a layer has no integer counterpart.
        """
        model, folded = plain(model)
        if folded:
            context.note(folded_note(folded))
        quantized, left_out = quantize(model, context.shared_kernels, context.bits)
        if left_out:
            context.note(
                f"{', '.join(left_out)} has no quantizer of its own: exact arithmetic on pixels,"
                " which the converters fold into the first convolution"
            )
        images = context.calibration_images(context.range_images)
        constraints = [
            set_ranges(quantized, model, images),
            kept(quantized, context.shared_kernels, context.note),
        ]
        asked = AllOf([each for each in constraints if each is not None])
        context.fit(quantized, self.training, asked, self.distil)
        _as_bytes(quantized, quantized)
        take_pixels(quantized)
        return quantized

    def as_exported(self, model: KerasModel) -> KerasModel:
        """Return a copy whose first kernels have taken up the rescaling of pixels."""
        from tensorflow_model_optimization.quantization.keras import quantize_scope

        with quantize_scope():
            copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        _as_bytes(copy, model)
        take_pixels(copy)
        return copy


def _as_bytes(copy: KerasModel, trained: KerasModel) -> None:
    """Write kernels of fewer bits, in place, as int8 with the same steps: few of its codes.

    ``trained``: the model whose quantizers say how many bits, which become 8 in ``copy``.
    """
    for wrapper, own in zip(wrappers_of(copy), wrappers_of(trained), strict=True):
        for (kernel, quantizer, limits), (_, other, _) in zip(
            wrapper._weight_vars, own._weight_vars, strict=True
        ):
            if other.num_bits == 8:
                continue
            most = largest_code(other.num_bits)
            step = limits["max_var"].numpy() / most
            codes = np.clip(np.round(kernel.numpy() / np.where(step > 0, step, 1)), -most, most)
            kernel.assign(codes * step)
            limits["min_var"].assign(-LARGEST_CODE * step)
            limits["max_var"].assign(LARGEST_CODE * step)
            quantizer.num_bits = 8


class AllOf(Constraint):
    """Applies constraints, one after the other."""

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self._constraints = constraints

    def before_step(self, step: int, steps: int) -> None:
        """Prepare each for a training step."""
        for each in self._constraints:
            each.before_step(step, steps)

    def project(self) -> None:
        """Project the weights onto each."""
        for each in self._constraints:
            each.project()

    def restore(self) -> None:
        """Continue each from the model's weights."""
        for each in self._constraints:
            each.restore()

    def settled(self, steps: int) -> int:
        """Return the step from which on all hold in full."""
        return max(each.settled(steps) for each in self._constraints)
