"""Bias correction: the rounding of weights shifts the mean of each output, and biases take it back.

Nagel, van Baalen, Blankevoort and Welling, "Data-free quantization through weight equalization and
bias correction", 2019: the shift is measured on calibration images.
"""

from collections.abc import Sequence
from typing import ClassVar

from pydantic import Field

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import (
    Exporter,
    ModelProperty,
    Technique,
    TechniqueContext,
    TechniqueFlag,
)
from edgecv.techniques.quantizers.rounding import (
    RoundedNetwork,
    check_linear_layers,
    check_with_integers,
)


class BiasCorrection(Technique):
    """Rounds the weights as int8 files do, and corrects the biases for it; trains nothing."""

    name: ClassVar[str] = "bias_correction"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.ROUNDING})
    keeps: ClassVar[frozenset[str]] = frozenset(
        {
            ModelProperty.WIDTHS,
            ModelProperty.OUTPUTS,
            ModelProperty.ZEROS,
            ModelProperty.SHARED_VALUES,
        }
    )
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Correct the biases for the rounding of weights, on calibration images.", place=46
    )
    images: int = Field(default=500, ge=1)
    """The most calibration images that the shift of each output is measured on."""

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if no layer can be rounded."""
        check_linear_layers(model, self.name)

    def check_exports(self, exports: Sequence[Exporter], where: str) -> None:
        """Raise InputError if no file has integer weights."""
        check_with_integers(exports, where)

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy in plain layers with rounded kernels and corrected biases."""
        network = RoundedNetwork(model, context, self.images)
        for each in network.layers("correcting biases"):
            each.set(each.nearest, corrected=True)
        network.note_noise("with corrected biases")
        return network.rounded
