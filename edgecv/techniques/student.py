"""Replacement by a student: another network, which is trained from nothing on what the model says.

Hinton, Vinyals and Dean, "Distilling the knowledge in a neural network", 2015. Where a model holds
its bytes in the wrong places, a network of another shape reaches more in as many than any of the
model's own channels that are left.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, field_serializer, field_validator

from edgecv.core.keras_types import KerasModel
from edgecv.core.options import Text
from edgecv.core.plugins import (
    Architecture,
    ModelProperty,
    Technique,
    TechniqueContext,
    TechniqueFlag,
)
from edgecv.core.registry import ARCHITECTURES
from edgecv.models.architectures.plain_cnn import PlainCnn
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
    network: Architecture = Field(
        default=PlainCnn(),
        json_schema_extra=lambda schema: schema.update(ARCHITECTURES.schema()) or None,
    )
    """The architecture of the student, with its options: {architecture = "ds_cnn", blocks = 3}."""
    training: Schedule = Schedule(
        epochs=60, minimum_steps=2_000, learning_rate=0.005, decay="cosine", warmup=0.05
    )
    """The training from nothing."""
    distil: Distillation | None = Distillation(mix=0.3)
    """Train against the outputs of the original, or of the teacher."""

    @field_validator("network", mode="before")
    @classmethod
    def _has_options(cls, given: Any) -> Any:
        return ARCHITECTURES.parse(given, "network") if isinstance(given, Mapping) else given

    @field_serializer("network")
    def _table(self, network: Architecture) -> dict[str, Any]:
        return ARCHITECTURES.table(network)

    def check_model(self, model: KerasModel) -> None:
        """Accept every model: the student is built, and so checked, before it is trained."""

    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a network of the student's architecture, trained from nothing."""
        student = context.build(self.network)
        context.note(
            f"{self.network.name} of {student.count_params():,} parameters, in place of "
            f"{model.count_params():,}"
        )
        context.fit(student, self.training, None, self.distil)
        return student
