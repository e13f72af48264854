"""Knowledge distillation as a step of its own: nothing is removed, the weights are trained on.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015.
"""

from typing import Any, ClassVar

from edgecv.core.plugins import Technique, TechniqueContext
from edgecv.core.technique_flag import TechniqueFlag
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.layer_selection import clone
from edgecv.techniques.weight_sharing import kept


class Distil(Distillation, Technique):
    """Trains on against the baseline's outputs; zeros and shared weights are kept."""

    name: ClassVar[str] = "distil"
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Train each step against what the original says of images.", place=20
    )
    may_follow: ClassVar[tuple[str, ...]] = ("shrink", "prune", "cluster")
    training: Schedule = Schedule(epochs=30, minimum_steps=1000, learning_rate=0.005)
    """The fine-tuning."""

    def check_model(self, model: Any) -> None:
        """Accept every model that has logits, which the training asks for."""

    def apply(self, model: Any, context: TechniqueContext) -> Any:
        """Return a copy of the model, trained on."""
        student = clone(model)
        distillation = Distillation(temperature=self.temperature, mix=self.mix)
        context.fit(student, self.training, kept(student, context.note), distillation)
        return student
