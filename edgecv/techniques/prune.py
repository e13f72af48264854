"""Magnitude pruning: small weights become zero, the others are trained further.

Zhu and Gupta, "To prune, or not to prune", 2017 (polynomial decay); Mishra et al., "Accelerating
sparse deep neural networks", 2021 (two of four).
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from edgecv.core.artifact import Layer
from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.options import Text
from edgecv.core.plugins import (
    Constraint,
    Exporter,
    ModelProperty,
    Technique,
    TechniqueContext,
    TechniqueFlag,
)
from edgecv.core.quantity import FRACTION
from edgecv.models.tf import tensorflow
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.layer_selection import (
    chosen,
    clone,
    is_left_whole,
    note_left_whole,
    target_of,
)

GROUP = 4
KEPT_OF_A_GROUP = 2
STEPS_BETWEEN_MASKS = 25
TOLERANCE = 0.01
HALF = 0.5


def _of_flag(value: str, exports: Sequence[Exporter]) -> dict[str, Any]:
    if ":" in value:
        return {"pattern": value}
    try:
        sparsity = FRACTION.parse(value)
    except ValueError:
        sparsity = 0.0
    if not 0 < sparsity < 1:
        accepted = "a fraction such as 0.5 or 50%, greater than 0 and less than 1, or 2:4"
        raise InputError("--prune", f'"{value}"', accepted=accepted)
    return {"sparsity": sparsity}


class Prune(Technique):
    """Sets the smallest weights to zero, gradually, and trains the others on."""

    name: ClassVar[str] = "prune"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.ZEROS})
    keeps: ClassVar[frozenset[str]] = frozenset({ModelProperty.WIDTHS, ModelProperty.OUTPUTS})
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Set this fraction of the weights to zero (0.5 or 50%), or two of each four (2:4).",
        place=30,
        kind=Text,
        parse=_of_flag,
        beside={"distil": {"distil": {}}},
    )
    sparsity: float = Field(default=HALF, gt=0, lt=1)
    """Fraction of each kernel's weights that become zero."""
    pattern: Literal["2:4"] | None = None
    """Two of each four weights along the input channels, for kernels that can skip such zeros;
    in place of ``sparsity``. Of a transposed convolution they are along its outputs. A layer that
    has no fours of them is left whole."""
    layers: dict[str, Annotated[float, Field(gt=0, lt=1)]] = Field(default={})
    """Other fractions for layers by name pattern: {"dense_*" = 0.9}; the first that matches."""
    exclude: tuple[str, ...] = Field(default=(), strict=False)
    """Layers to leave whole, by name pattern."""
    decay: Literal["polynomial", "constant"] = "polynomial"
    """Rise to the sparsity by a cubic polynomial, or have it from the start."""
    settle: float = Field(default=0.5, gt=0, le=0.9)
    """Fraction of the training after which the sparsity is reached."""
    training: Schedule = Schedule(
        epochs=6, minimum_steps=200, learning_rate=0.002, warmup=0.1, patience=None
    )
    """The fine-tuning."""
    distil: Distillation | None = None
    """Train against the baseline's outputs."""

    @model_validator(mode="after")
    def _one_target(self) -> Self:
        if self.pattern and (self.layers or self.sparsity != HALF):
            raise ValueError(f"{self.pattern} is a sparsity of its own: leave the others out")
        return self

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if a pattern matches no layer, or nothing can be pruned."""
        kernels = chosen(model, self.exclude, self.layers, "prune")
        if not any(self._fits(kernel.shape) for kernel in kernels.values()):
            raise InputError("prune", "no layer has input channels in fours", accepted="a fraction")

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a pruned copy of the model, dense in shape and with zeros in place."""
        self.check_model(model)
        pruned = clone(model)
        kernels = chosen(pruned, self.exclude, self.layers, "prune")
        odd = [name for name, kernel in kernels.items() if not self._fits(kernel.shape)]
        if odd:
            context.note(f"left {', '.join(odd)} whole: 2:4 needs input channels in fours")
        note_left_whole(pruned, context.note)
        targets = {
            name: (kernel, target_of(name, self.layers, self.sparsity))
            for name, kernel in kernels.items()
            if name not in odd
        }
        context.fit(pruned, self.training, Masks(targets, self), self.distil)
        return pruned

    def check(self, layers: Sequence[Layer], where: str) -> None:
        """Raise StepError if a layer of a file has fewer zeros than were asked for."""
        for layer in layers:
            wanted = HALF if self.pattern else target_of(layer.name, self.layers, self.sparsity)
            if is_left_whole(layer, self.exclude) or not self._fits(layer.shape):
                continue
            if layer.sparsity < zeros_of(layer.weights, wanted) / layer.weights - TOLERANCE:
                raise StepError(
                    where,
                    f"{layer.sparsity:.1%} of {layer.name} is zero, {wanted:.1%} was asked for",
                    remedy=f'exclude it: exclude = ["{layer.name}"]',
                )

    def _fits(self, shape: Sequence[int]) -> bool:
        return self.pattern is None or shape[-2] % GROUP == 0


class Masks(Constraint):
    """Keeps weights at zero once they were set to it."""

    def __init__(self, kernels: dict[str, tuple[Any, float]], options: Prune) -> None:
        self._options = options
        self._kernels = [kernel for kernel, _ in kernels.values()]
        self._targets = [target for _, target in kernels.values()]
        self._masks = [
            tensorflow.Variable(tensorflow.ones_like(kernel), trainable=False)
            for kernel in self._kernels
        ]

    def before_step(self, step: int, steps: int) -> None:
        """Choose anew which weights are zero, until the sparsity is reached."""
        last = self.settled(steps)
        if step > last or (step % STEPS_BETWEEN_MASKS and step != last):
            return
        part = 1.0
        if self._options.decay == "polynomial" and last:
            part = 1 - (1 - step / last) ** 3
        for kernel, mask, target in zip(self._kernels, self._masks, self._targets, strict=True):
            keep = self._keep(kernel.numpy(), target, part)
            mask.assign(keep.astype(np.float32))
            kernel.assign(kernel * mask)

    def _keep(self, kernel: NDArray[np.float32], target: float, part: float) -> NDArray[np.bool_]:
        if self._options.pattern is None:
            return keep_largest(kernel, target * part)
        # Of the weights that the pattern does not keep, the smallest go first.
        keep = keep_two_of_four(kernel)
        keep[~keep] = keep_largest(kernel[~keep], part)
        return keep

    def project(self) -> None:
        """Set the masked weights to zero again."""
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            kernel.assign(kernel * mask)

    def restore(self) -> None:
        """Take the zeros of the weights as they are for the mask."""
        for kernel, mask in zip(self._kernels, self._masks, strict=True):
            mask.assign((kernel.numpy() != 0).astype(np.float32))

    def settled(self, steps: int) -> int:
        """Return the step at which the last weights are set to zero."""
        return 0 if self._options.decay == "constant" else int(steps * self._options.settle)


def keep_largest(kernel: NDArray[np.float32], sparsity: float) -> NDArray[np.bool_]:
    """Return the mask of the weights that stay when exactly this fraction becomes zero.

    >>> keep_largest(np.array([3.0, -1.0, 0.5, 2.0], np.float32), 0.5)
    array([ True, False, False,  True])
    """
    order = np.argsort(np.abs(kernel), axis=None, kind="stable")
    keep = np.ones(kernel.size, np.bool_)
    keep[order[: zeros_of(kernel.size, sparsity)]] = False
    return keep.reshape(kernel.shape)


def zeros_of(weights: int, sparsity: float) -> int:
    """Return the number of weights that become zero, nearest to a fraction of them."""
    return round(weights * sparsity)


def keep_two_of_four(kernel: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return the mask of the two largest of each four weights along the input channels.

    ``kernel``: (..., inputs, outputs), inputs a multiple of four.
    """
    *sides, inputs, outputs = kernel.shape
    groups = np.abs(kernel).reshape(*sides, inputs // GROUP, GROUP, outputs)
    largest = np.argsort(-groups, axis=-2, kind="stable")[..., :KEPT_OF_A_GROUP, :]
    keep = np.zeros(groups.shape, np.bool_)
    np.put_along_axis(keep, largest, True, axis=-2)
    return keep.reshape(kernel.shape)
