"""The contract of a technique, and what a technique is given."""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import field_validator

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins.exporter import Exporter
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.plugins.task import Task
from edgecv.core.records import Comparison, Costs, Gate, Layer, Split, TrialExport
from edgecv.core.technique_flag import TechniqueFlag

if TYPE_CHECKING:
    from edgecv.models.training.distillation import Distillation
    from edgecv.models.training.schedule import Schedule


class Constraint(Protocol):
    """What training keeps true of a model's weights."""

    def before_step(self, step: int, steps: int) -> None:
        """Prepare for training step ``step`` of ``steps``, counted from 0."""

    def project(self) -> None:
        """Bring the weights back to what is asked for; compiled into the training step."""

    def restore(self) -> None:
        """Go on from the weights that the model now has: they obey the constraint."""

    def settled(self, steps: int) -> int:
        """Return the step from which on the model is fully what was asked for."""


class Fit(Protocol):
    """Trains a model in place, resumes after a kill, leaves the weights of the best epoch in it."""

    def __call__(
        self,
        model: KerasModel,
        schedule: "Schedule",
        constraint: Constraint | None = None,
        distillation: "Distillation | None" = None,
    ) -> None:
        """Train on ``schedule``; with a ``distillation`` also on the baseline's outputs."""


@dataclass(frozen=True)
class TechniqueContext:
    """What a technique is given besides the model."""

    fit: Fit
    seed: int
    task: Task
    calibration: Split
    note: Callable[[str], None]
    """Takes sentences for the report."""
    progress: Callable[[str, int, int], None]
    """Takes what is being done, how much of it is done, of how much."""
    trial: Callable[[KerasModel, str, str], TrialExport]
    """Exports a model for a runtime at a precision, runs it, and says what it would be."""
    remember: Callable[[str, Callable[[], Any]], Any]
    """``remember(name, make)``: JSON values made once, and the same again after a kill."""


WIDTHS = "widths"
"""Numbers of channels that were chosen."""
OUTPUTS = "outputs"
"""Weights that were trained to answer as the baseline does."""
ZEROS = "zeros"
"""Weights that are zero."""
SHARED_VALUES = "shared values"
"""Weights of a kernel that are equal."""
QUANTIZERS = "quantizers"
"""Layers inside quantizers: the model is trained with the rounding of integers."""


class Technique(Plugin):
    """Changes a Keras model into a smaller one: Keras in, Keras out."""

    makes: ClassVar[frozenset[str]] = frozenset()
    """Properties that its model has, and that a later technique must keep: any word may be one."""
    keeps: ClassVar[frozenset[str]] = frozenset()
    """Properties of the model it is given that its own model still has."""
    flag: ClassVar[TechniqueFlag | None] = None
    """Its flag of ``edgecv compress``, and its parameter in Python; None for recipes alone."""
    precisions: ClassVar[tuple[str, ...] | None] = None
    """The only precisions that its model can be exported at; None where all are possible."""

    @classmethod
    def may_follow(cls, earlier: "type[Technique]") -> bool:
        """Tell whether this technique keeps all that an earlier one has made of the model."""
        return earlier.makes <= cls.keeps

    @field_validator("training", mode="before", check_fields=False)
    @classmethod
    def _changes_its_own_schedule(cls, given: Any) -> Any:
        """Let a recipe that names some options of the fine-tuning keep the technique's others."""
        if not isinstance(given, Mapping):
            return given
        return {**cls.model_fields["training"].default.model_dump(), **given}

    @abstractmethod
    def check_model(self, model: KerasModel) -> None:
        """Raise InputError where the options do not fit the model: before any step is trained."""

    @abstractmethod
    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a new model; the caller's is left alone.

        Raises InputError where the options do not fit the model's layers: before any training.
        """

    def check(self, layers: Sequence[Layer], where: str) -> None:
        """Raise StepError where an exported file does not hold what this technique promised."""

    def check_exports(self, exports: Sequence[Exporter], where: str) -> None:
        """Raise InputError where no file is written that could show what is asked for."""

    def gates(self, comparisons: Sequence[Comparison], costs: Costs | None) -> list[Gate]:
        """Hold the finished files against what is asked for."""
        return []
