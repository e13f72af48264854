"""The contract of a technique, and the context that it works in."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from edgecv.core.artifact import Layer
from edgecv.core.comparison import Comparison
from edgecv.core.costs import Costs, TrialExport
from edgecv.core.data import Images, Shape, Split
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.options import OwnTraining
from edgecv.core.plugins.exporter import DEFAULT_CALIBRATION_IMAGES, Exporter
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.plugins.task import Task
from edgecv.core.plugins.task_parts import Head
from edgecv.core.report import Gate

if TYPE_CHECKING:
    from edgecv.models.training.distillation import Distillation
    from edgecv.models.training.schedule import Schedule


class Constraint(ABC):
    """A property of a model's weights that training preserves."""

    def before_step(self, step: int, steps: int) -> None:  # noqa: B027  most need not
        """Prepare for training step ``step`` of ``steps``, counted from 0."""

    @abstractmethod
    def project(self) -> None:
        """Project the weights onto the constraint; compiled into the training step."""

    def restore(self) -> None:  # noqa: B027  most need not
        """Continue from the weights that the model now has, which obey the constraint."""

    def settled(self, steps: int) -> int:
        """Return the step from which on the constraint holds in full."""
        return 0


class Fit(Protocol):
    """Trains a model in place and keeps the weights of the best epoch; resumes after a kill."""

    def __call__(
        self,
        model: KerasModel,
        schedule: "Schedule",
        constraint: Constraint | None = None,
        distillation: "Distillation | None" = None,
    ) -> None:
        """Train on ``schedule``; with a ``distillation`` also on the outputs of the teacher: the
        baseline, unless the run has another one.
        """


@dataclass(frozen=True)
class TechniqueContext:
    """Everything that a technique receives besides the model."""

    fit: Fit
    seed: int
    task: Task
    calibration: Split
    note: Callable[[str], None]
    """Takes sentences for the report."""
    progress: Callable[[str, int, int], None]
    """Takes the current activity, the number of finished steps and their total."""
    trial: Callable[[KerasModel, str, str], TrialExport]
    """Exports a model for a runtime at a precision, and returns its bytes and latency."""
    input_shape: Shape
    """Height, width and channels of the images."""
    head: Head
    """The last layers of a network for the task of the run."""
    remember: Callable[[str, Callable[[], Any]], Any]
    """``remember(name, make)``: JSON values that are computed once, also after a kill."""
    shared_kernels: frozenset[str] = frozenset()
    """Layers in whose kernels weights are equal on purpose, by an earlier technique or by name."""
    bits: Mapping[str, int] = field(default_factory=dict)
    """Bits of the weights of layers by name pattern, where an export asks for fewer than 8."""
    range_images: int = DEFAULT_CALIBRATION_IMAGES
    """Calibration images that exports find ranges on."""

    def calibration_images(self, most: int) -> Images:
        """Return at most so many calibration images. Raises InputError if there are none."""
        if not len(self.calibration):
            raise InputError(
                "the data",
                "has no calibration images, and the values of layers are measured on these",
                remedy="add training images: some of them are taken",
            )
        return self.calibration.images[:most]


class ModelProperty(StrEnum):
    """Properties that a technique gives a model, and that a later one keeps or loses."""

    WIDTHS = "widths"
    """Numbers of channels chosen by a search."""
    OUTPUTS = "outputs"
    """Weights trained to reproduce the baseline's outputs."""
    ZEROS = "zeros"
    """Weights that are zero."""
    SHARED_VALUES = "shared values"
    """Weights of a kernel that are equal."""
    QUANTIZERS = "quantizers"
    """Layers inside quantizers: the model is trained with the rounding of integers."""
    ROUNDING = "rounding"
    """Weights that are whole steps of the integers in a file, with the biases for them."""


WIDTHS_OUTPUTS_ZEROS = frozenset({ModelProperty.WIDTHS, ModelProperty.OUTPUTS, ModelProperty.ZEROS})
"""Kept by a technique that moves weights a little and none away from zero."""
OF_FLOAT_MODELS = frozenset(
    {
        ModelProperty.WIDTHS,
        ModelProperty.OUTPUTS,
        ModelProperty.ZEROS,
        ModelProperty.SHARED_VALUES,
    }
)
"""Properties of a model whose weights are not held to integers."""


@dataclass(frozen=True)
class TechniqueFlag:
    """A flag with the name of its technique, set as the technique's class attribute ``flag``."""

    help: str
    place: int
    """Techniques of one command line are applied in this order."""
    kind: Any = bool
    """The type of the value; bool for a flag without a value."""
    parse: Callable[[Any, Sequence[Any]], dict[str, Any]] = lambda value, exports: {}
    """Return the technique's options for a value and the requested exporters. Raises InputError
    that shows how the value is written."""
    beside: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Additional options where another technique, the key, is on the command line too."""


class Technique(OwnTraining, Plugin):
    """Changes a Keras model into a smaller one: Keras in, Keras out."""

    makes: ClassVar[frozenset[str]] = frozenset()
    """Properties that it gives the model and that a later technique must keep; any name will do."""
    keeps: ClassVar[frozenset[str]] = frozenset()
    """Properties of the input model that its result still has."""
    flag: ClassVar[TechniqueFlag | None] = None
    """Its flag of ``edgecv compress``, and its parameter in Python; None for recipes alone."""
    precisions: ClassVar[tuple[str, ...] | None] = None
    """The only precisions that its model can be exported at; None where all are possible."""

    @classmethod
    def may_follow(cls, earlier: "type[Technique]") -> bool:
        """Return True if this technique keeps all properties that an earlier one gave the model."""
        return earlier.makes <= cls.keeps

    def check_task(self, task: Task) -> None:
        """Raise InputError where the options do not fit the task: before any step is trained."""

    @abstractmethod
    def check_model(self, model: KerasModel) -> None:
        """Raise InputError where the options do not fit the model: before any step is trained."""

    def least_parameters(self, model: KerasModel, input_shape: Shape, head: Head) -> int:
        """Return the fewest parameters that a model has after it; 0 where that is not known."""
        return int(model.count_params())

    def network_after(self, model: KerasModel, input_shape: Shape, head: Head) -> KerasModel:
        """Return a model with the layers that ``apply`` gives ``model``, with any weights.

        Later techniques are checked on it: one that changes no layers returns ``model``.
        """
        return model

    @abstractmethod
    def apply(self, model: KerasModel, context: TechniqueContext) -> KerasModel:
        """Return a new model; the caller's is left alone.

        Raises InputError where the options do not fit the model's layers: before any training.
        """

    @property
    def trainings(self) -> tuple["Schedule", ...]:
        """The schedules that it trains on, in their order: a control trains on them too."""
        schedule = getattr(self, "training", None)
        return () if schedule is None else (schedule,)

    @property
    def distillation(self) -> "Distillation | None":
        """Options of the training against a teacher; None where it learns from labels alone."""
        found: Distillation | None = getattr(self, "distil", None)
        return found

    @property
    def imitates(self) -> bool:
        """True if it learns from a teacher, and not from labels alone."""
        return self.distillation is not None and self.distillation.mix < 1

    @property
    def is_timed(self) -> bool:
        """True if it chooses by times of trial exports, which are measured on this machine."""
        return False

    @property
    def measured_files(self) -> tuple[tuple[str, str], ...]:
        """Format and precision of the trial exports that it chooses by."""
        return ()

    def shared_kernels(self, model: KerasModel) -> frozenset[str]:
        """Return the layers in whose kernels it makes weights equal: files give them one scale.

        ``model``: one that ``apply`` returns or trains.
        """
        return frozenset()

    def as_exported(self, model: KerasModel) -> KerasModel:
        """Return a model that is about to be trained as ``apply`` will return it afterwards.

        It is exported as a trial, before the training.
        """
        return model

    def check(self, layers: Sequence[Layer], where: str) -> None:
        """Raise StepError where an exported file lacks the properties that this technique gives."""

    def check_exports(self, exports: Sequence[Exporter], where: str) -> None:
        """Raise InputError where none of the exported files can have the requested property."""

    def gates(self, comparisons: Sequence[Comparison], costs: Costs | None) -> list[Gate]:
        """Return the gates that compare the finished files with the targets of the options."""
        return []
