"""A technique."""

from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from pydantic import Field

from edgecv.core.artifact import Layer
from edgecv.core.errors import InputError, StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import ModelProperty, Technique, TechniqueContext
from edgecv.models.kernels import kernels_of
from edgecv.techniques.layer_selection import clone


class Rounding(Technique):
    """Rounds the weights of each kernel to a few steps."""

    name: ClassVar[str] = "rounding"
    makes: ClassVar[frozenset[str]] = frozenset({"rounded weights"})
    keeps: ClassVar[frozenset[str]] = frozenset(
        {ModelProperty.WIDTHS, ModelProperty.OUTPUTS, ModelProperty.ZEROS}
    )
    steps: int = Field(default=64, ge=1, le=1000)
    """Steps between zero and the largest weight of a kernel."""

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError where there is nothing to round."""
        if not kernels_of(model):
            raise InputError("rounding", "the model has no kernel")

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy with rounded kernels."""
        rounded = clone(model)
        for kernel in kernels_of(rounded).values():
            weights = kernel.numpy()
            step = np.abs(weights).max() / self.steps
            kernel.assign(np.rint(weights / step) * step)
        context.note(f"rounded {len(kernels_of(rounded))} kernels to {self.steps} steps")
        return rounded

    def check(self, layers: Sequence[Layer], where: str) -> None:
        """Raise StepError where a layer of a file has more values than steps."""
        for layer in layers:
            if layer.distinct > 2 * self.steps + 1:
                raise StepError(where, f"{layer.name} has {layer.distinct} distinct weights")
