"""Bias correction: the rounding of weights shifts the mean of each output, and biases take it back.

Nagel, van Baalen, Blankevoort and Welling, "Data-free quantization through weight equalization and
bias correction", 2019: the shift is measured on calibration images.
"""

from typing import ClassVar

from pydantic import Field

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import (
    OF_FLOAT_MODELS,
    TechniqueContext,
    TechniqueFlag,
)
from edgecv.techniques.quantizers.rounding import (
    RoundedNetwork,
    RoundingTechnique,
)


class BiasCorrection(RoundingTechnique):
    """Rounds the weights as int8 files do, and corrects the biases for it; trains nothing."""

    name: ClassVar[str] = "bias_correction"
    keeps: ClassVar[frozenset[str]] = OF_FLOAT_MODELS
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Correct the biases for the rounding of weights, on calibration images.", place=46
    )
    images: int = Field(default=500, ge=1)
    """The most calibration images that the shift of each output is measured on."""

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy in plain layers with rounded kernels and corrected biases."""
        network = RoundedNetwork(model, context, self.images)
        for each in network.layers("correcting biases"):
            each.set(each.nearest, corrected=True)
        network.note_noise("with corrected biases")
        return network.rounded
