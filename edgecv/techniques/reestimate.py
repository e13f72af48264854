"""Re-estimation of batch normalization: its means and variances, from calibration images."""

from typing import ClassVar

import numpy as np
from pydantic import Field

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import OF_FLOAT_MODELS, Technique, TechniqueContext, TechniqueFlag
from edgecv.core.text import counted
from edgecv.models.float_batches import float_batches
from edgecv.models.training.batch_norm import estimate, estimated
from edgecv.techniques.layer_selection import clone
from edgecv.techniques.rewrites.plain_layers import flatten

BATCH = 100


class Reestimate(Technique):
    """Estimates means and variances of batch normalization again, for a changed network."""

    name: ClassVar[str] = "reestimate"
    keeps: ClassVar[frozenset[str]] = OF_FLOAT_MODELS
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Estimate batch normalization again, from calibration images.",
        place=35,
    )
    images: int = Field(default=1000, ge=2, le=50 * BATCH)
    """The most calibration images that they are estimated from."""

    def check_model(self, model: KerasModel) -> None:
        """Raise InputError if the model has no batch normalization."""
        if not estimated(model):
            raise InputError(
                self.name,
                "the model has no batch normalization",
                remedy="leave it out; in a recipe it goes before equalize and cluster",
            )

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy whose batch normalization has the statistics of calibration images."""
        self.check_model(model)
        result = clone(flatten(model))
        norms = estimated(result)
        before = [each.moving_mean.numpy() for each in norms]
        deviations = [np.sqrt(each.moving_variance.numpy() + each.epsilon) for each in norms]
        images = context.calibration_images(self.images)
        estimate(result, float_batches(images, BATCH), context.seed, frozen_too=True)
        moves = [
            float(np.mean(np.abs(each.moving_mean.numpy() - mean) / deviation))
            for each, mean, deviation in zip(norms, before, deviations, strict=True)
        ]
        most = int(np.argmax(moves))
        context.note(
            f"{counted(len(norms), 'batch normalization')} estimated from"
            f" {counted(len(images), 'calibration image')}; the means of {norms[most].name} moved"
            f" the most, by {moves[most]:.2f} standard deviations"
        )
        return result
