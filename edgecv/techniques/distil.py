"""Knowledge distillation as a step of its own: the weights are trained, nothing is removed.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.
"""

from typing import ClassVar

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import ModelProperty, Technique, TechniqueContext, TechniqueFlag
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.layer_selection import clone
from edgecv.techniques.weight_sharing import kept


class Distil(Distillation, Technique):
    """Trains on against the baseline's outputs; zeros and shared weights are kept."""

    name: ClassVar[str] = "distil"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.OUTPUTS})
    keeps: ClassVar[frozenset[str]] = frozenset(
        {ModelProperty.WIDTHS, ModelProperty.ZEROS, ModelProperty.SHARED_VALUES}
    )
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Train each step against what the original says of images.", place=20
    )
    training: Schedule = Schedule(epochs=30, minimum_steps=1000, learning_rate=0.005)
    """The fine-tuning."""

    @property
    def distillation(self) -> Distillation:
        """Its own options."""
        fields = Distillation.model_fields
        return Distillation(**{name: getattr(self, name) for name in fields})

    def check_model(self, model: KerasModel) -> None:
        """Accept every model; the training itself checks for logits."""

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a copy of the model, trained on."""
        student = clone(model)
        constraint = kept(student, context.shared_kernels, context.note)
        context.fit(student, self.training, constraint, self.distillation)
        return student
