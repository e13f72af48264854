"""Quantization-aware training: the weights are trained with the rounding of int8 in place.

Jacob et al., "Quantization and training of neural networks for efficient integer-arithmetic-only
inference", 2018, by tensorflow-model-optimization. Zeros and shared weights are kept by our own
constraint after every step, in kernels of every size.
"""

from collections.abc import Sequence
from typing import ClassVar

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import (
    Constraint,
    ModelProperty,
    Technique,
    TechniqueContext,
    TechniqueFlag,
)
from edgecv.models.tf import keras
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.quantizers.first_kernels import take_pixels
from edgecv.techniques.quantizers.placement import quantize
from edgecv.techniques.quantizers.ranges import set_ranges
from edgecv.techniques.rewrites.fold_batch_norm import (
    fold,
    folded_note,
    fuse_relus,
    normalizations_in,
)
from edgecv.techniques.rewrites.plain_layers import (
    merge_rescalings,
    one_thing_a_layer,
    with_biases,
    without_normalizations,
)
from edgecv.techniques.weight_sharing import kept

IMAGES_FOR_RANGES = 200


class Qat(Technique):
    """Trains on with the rounding of int8 in place; zeros and shared weights are kept."""

    name: ClassVar[str] = "qat"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.QUANTIZERS})
    keeps: ClassVar[frozenset[str]] = frozenset(
        {
            ModelProperty.WIDTHS,
            ModelProperty.OUTPUTS,
            ModelProperty.ZEROS,
            ModelProperty.SHARED_VALUES,
        }
    )
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
        quantized, left_out = quantize(model, context.shared_kernels)
        if left_out:
            context.note(
                f"{', '.join(left_out)} has no quantizer of its own: exact arithmetic on pixels,"
                " which the converters fold into the first convolution"
            )
        images = context.calibration.images[:IMAGES_FOR_RANGES]
        constraints = [
            set_ranges(quantized, model, images),
            kept(quantized, context.shared_kernels, context.note),
        ]
        asked = AllOf([each for each in constraints if each is not None])
        context.fit(quantized, self.training, asked, self.distil)
        take_pixels(quantized)
        return quantized

    def as_exported(self, model: KerasModel) -> KerasModel:
        """Return a copy whose first kernels have taken up the rescaling of pixels."""
        from tensorflow_model_optimization.quantization.keras import quantize_scope

        with quantize_scope():
            copy = keras.models.clone_model(model)
        copy.set_weights(model.get_weights())
        take_pixels(copy)
        return copy


def plain(model: KerasModel) -> tuple[KerasModel, tuple[str, ...]]:
    """Return a flat copy without batch normalization and relu as layers, and what was folded.

    Both converters then get plain convolutions, with one range behind each. Otherwise tfmot would
    round kernels before the normalization that converters fold into them, and would not round
    kernels with a relu layer behind them.
    """
    folded, names = fold(merge_rescalings(one_thing_a_layer(model)))
    if any(True for _ in normalizations_in(folded)):
        folded = without_normalizations(folded)
    return fuse_relus(with_biases(folded)), names


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
