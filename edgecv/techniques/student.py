"""Replacement by a student: another network, which is trained from nothing on what the model says.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015. Where a model holds
its bytes in the wrong places, a network of another shape reaches more in as many than any of the
model's own channels that are left.
"""

from typing import ClassVar

from edgecv.core.data import Shape
from edgecv.core.keras_types import KerasModel
from edgecv.core.options import Text
from edgecv.core.plugins import (
    Head,
    ModelProperty,
    Task,
    Technique,
    TechniqueContext,
    TechniqueFlag,
)
from edgecv.core.registry import ARCHITECTURES
from edgecv.models.architectures.plain_cnn import PlainCnn
from edgecv.models.network import Network, check_features
from edgecv.models.training.distillation import Distillation
from edgecv.models.training.schedule import Schedule


class Student(Technique):
    """Replaces the network by one of another architecture, taught by the original."""

    name: ClassVar[str] = "student"
    makes: ClassVar[frozenset[str]] = frozenset({ModelProperty.WIDTHS, ModelProperty.OUTPUTS})
    flag: ClassVar[TechniqueFlag | None] = TechniqueFlag(
        "Replace the network by one of this architecture, trained on what the original says of "
        "images: see edgecv list.",
        place=5,
        kind=Text,
        parse=lambda value, exports: {
            "network": ARCHITECTURES.parse({"architecture": value.lower()}, "--student")
        },
    )
    network: Network = PlainCnn()
    """The architecture of the student, with its options: {architecture = "ds_cnn", blocks = 3}."""
    training: Schedule = Schedule(
        epochs=60, minimum_steps=2_000, learning_rate=0.005, decay="cosine", warmup=0.05
    )
    """The training from nothing."""
    distil: Distillation | None = Distillation(mix=0.3, views=10)
    """Train against the outputs of the original, or of the teacher."""

    def check_task(self, task: Task) -> None:
        """Raise InputError if the head of the task does not fit the student."""
        check_features(self.network, task, self.name)

    def check_model(self, model: KerasModel) -> None:
        """Accept every model: the student is built, and so checked, before anything is trained."""

    def network_after(self, model: KerasModel, input_shape: Shape, head: Head) -> KerasModel:
        """Return the student, with initial weights."""
        return self.network.build(input_shape, head)

    def least_parameters(self, model: KerasModel, input_shape: Shape, head: Head) -> int:
        """Return the parameters of the student."""
        return int(self.network.build(input_shape, head).count_params())

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a network of the student's architecture, trained from nothing."""
        student = self.network.build(context.input_shape, context.head)
        context.note(
            f"{self.network.name} of {student.count_params():,} parameters, in place of "
            f"{model.count_params():,}"
        )
        context.fit(student, self.training, None, self.distil)
        return student
