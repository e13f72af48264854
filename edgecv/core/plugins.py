"""The contract of each plugin kind: what its one class has to do.

A plugin is one class in one file of its folder. The class is its own schema, defaults, validation
and behaviour; the first line of its docstring is its help text.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Protocol, Self

from pydantic import BeforeValidator, Field, field_validator, model_validator

from edgecv.core.errors import RuntimeFailure
from edgecv.core.options import Options, as_text
from edgecv.core.quantization import Extremes, Stored
from edgecv.core.records import (
    Activation,
    Artifact,
    Comparison,
    Costs,
    Dataset,
    ExecutedOperator,
    Format,
    Gate,
    Images,
    Labels,
    Layer,
    Predictions,
    SessionFacts,
    Shape,
    Split,
    TrialExport,
)
from edgecv.core.technique_flag import TechniqueFlag

if TYPE_CHECKING:
    from edgecv.core.input_spec import InputSpec


class Plugin(Options, ABC):
    """Base of every plugin. ``name`` is what recipes and flags say."""

    name: ClassVar[str]

    @classmethod
    def help_text(cls) -> str:
        """Return the first line of the docstring."""
        return (cls.__doc__ or "").strip().splitlines()[0]


class Architecture(Plugin):
    """A network that can be trained from nothing."""

    @abstractmethod
    def build(self, input_shape: Shape, num_classes: int) -> Any:
        """Build an untrained tf-keras model.

        Input: float32 (N, H, W, C), 0..255; its first layer rescales. Output: float32
        (N, num_classes), probabilities. Layers are named by the architecture, so that two
        builds give the same graph. Raises InputError where the shape is too small.
        """


class DatasetSource(Plugin):
    """A place that labelled images come from."""

    mirrors: ClassVar[bool] = True
    """Whether an image mirrored left to right is still of its class: not so for writing."""
    has_labels: ClassVar[bool] = True
    """Whether the classes of the images are known: else nothing can be trained or judged."""

    validation: float = Field(default=0.05, gt=0, lt=0.5)
    """Fraction of the training images set apart to choose with."""

    @classmethod
    @abstractmethod
    def accepts(cls, path: Path) -> bool:
        """Tell, quickly, whether this source reads what is at ``path``."""

    @classmethod
    @abstractmethod
    def at(cls, path: Path, *, skip_bad_images: bool = False) -> Self:
        """Make the source that reads ``path``."""

    def most_calibration_images(self) -> int | None:
        """Return the most images that can calibrate, without reading one: before anything slow.

        None where it takes reading to tell. Raises InputError where the data is seen to be wrong.
        """
        return None

    @abstractmethod
    def load(self, shape: Shape, seed: int, progress: "Progress") -> Dataset:
        """Read, decode and split: uint8 images of ``shape``, int labels, class names.

        The four splits share no image. Raises InputError with the place and the remedy.
        """


Data = Annotated[str | DatasetSource, BeforeValidator(as_text)]
"""The name or path of a data set; in Python also a source itself, such as arrays in memory."""


class Task(Plugin):
    """What counts as right for a model."""

    metric_name: ClassVar[str]

    @abstractmethod
    def loss(self, labels: Any, logits: Any) -> Any:
        """Per-image training loss: TensorFlow (N,), (N, classes) -> (N,)."""

    @abstractmethod
    def imitation_loss(self, teacher: Any, logits: Any, temperature: float) -> Any:
        """Per-image loss of other outputs than the teacher's: (N, K), (N, K) -> (N,)."""

    @abstractmethod
    def metric(self, predictions: Predictions, labels: Labels) -> float:
        """Return the figure that comparisons and gates speak of."""

    @abstractmethod
    def score_per_image(self, predictions: Predictions, labels: Labels) -> Any:
        """Return how right each image is: float64 (N,), 0..1."""


class Importer(Plugin):
    """Reads a model file that people arrive with."""

    suffixes: ClassVar[tuple[str, ...]]
    """How its files are usually called; what they are is told by their content."""
    has_layers: ClassVar[bool] = True
    """Whether its models are made of layers: others can be converted, but not trained."""

    @classmethod
    @abstractmethod
    def reads(cls, path: Path) -> bool:
        """Tell, quickly and by its content, whether this importer reads what is at ``path``."""

    def check_trust(self, path: Path, trust: Any) -> None:
        """Raise InputError where such files are never loaded with so little trust."""
        return

    @abstractmethod
    def load(self, path: Path, trust: Any = ...) -> Any:
        """Return a tf-keras model. Raises InputError where the file is not one, or not safe.

        ``trust``, a Trust: what may be in it beside standard layers.
        """

    def load_with_notes(self, path: Path, trust: Any = ...) -> tuple[Any, tuple[str, ...]]:
        """Return the model and sentences on how it came in, for the report."""
        return self.load(path, trust), ()

    def keeps_its_format(self, path: Path) -> bool:
        """Tell whether the file itself is of the format that edgecv writes."""
        return True


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
        model: Any,
        schedule: Any,
        constraint: Constraint | None = None,
        distillation: Any = None,
    ) -> None:
        """Train on ``schedule``, a Schedule; on the baseline's outputs by a ``Distillation``."""


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
    trial: Callable[[Any, str, str], TrialExport]
    """Exports a model for a runtime at a precision, runs it, and says what it would be."""
    remember: Callable[[str, Callable[[], Any]], Any]
    """``remember(name, make)``: JSON values made once, and the same again after a kill."""


class Technique(Plugin):
    """Changes a Keras model into a smaller one: Keras in, Keras out."""

    may_follow: ClassVar[tuple[str, ...]] = ()
    """Names of the techniques that this one keeps the work of."""
    flag: ClassVar[TechniqueFlag | None] = None
    """Its flag of ``edgecv compress``, and its parameter in Python; None for recipes alone."""
    precisions: ClassVar[tuple[str, ...] | None] = None
    """The only precisions that its model can be exported at; None where all are possible."""
    adds_quantizers: ClassVar[bool] = False
    """Whether its model has quantizers around the layers."""

    @field_validator("training", mode="before", check_fields=False)
    @classmethod
    def _changes_its_own_schedule(cls, given: Any) -> Any:
        """Let a recipe that names some options of the fine-tuning keep the technique's others."""
        if not isinstance(given, Mapping):
            return given
        return {**cls.model_fields["training"].default.model_dump(), **given}

    @abstractmethod
    def check_model(self, model: Any) -> None:
        """Raise InputError where the options do not fit the model: before any step is trained."""

    @abstractmethod
    def apply(self, model: Any, context: TechniqueContext) -> Any:
        """Return a new model; the caller's is left alone.

        Raises InputError where the options do not fit the model's layers: before any training.
        """

    def check(self, layers: Sequence[Layer], where: str) -> None:
        """Raise StepError where an exported file does not hold what this technique promised."""

    def check_exports(self, exports: Sequence["Exporter"], where: str) -> None:
        """Raise InputError where no file is written that could show what is asked for."""

    def gates(self, comparisons: Sequence[Comparison], costs: Costs | None) -> list[Gate]:
        """Hold the finished files against what is asked for."""
        return []


class Exporter(Plugin):
    """Writes a Keras model as one file in one format at one precision."""

    format: ClassVar[Format]
    precisions: ClassVar[tuple[str, ...]]
    precision: str
    calibration_images: int | None = Field(default=None, ge=1)
    """Images to calibrate with; all that the data set allows up to 200 when not given."""

    @model_validator(mode="after")
    def _calibration_is_used(self) -> Self:
        if self.calibration_images is not None and not self.is_calibrated:
            raise ValueError(
                f"{self.precision} needs no calibration images: leave calibration_images out"
            )
        return self

    @property
    def is_calibrated(self) -> bool:
        """Whether the precision has fixed ranges of activations, found on real images."""
        return self.precision in ("int8", "int16x8")

    @abstractmethod
    def export(self, model: Any, calibration: Images, path: Path) -> Artifact:
        """Write ``model`` to ``path``. Raises StepError where the precision cannot be had.

        ``calibration``: uint8 (N, H, W, C), 0..255.
        """

    def twin(self) -> Self:
        """Return the float32 exporter of the same format."""
        return type(self)(precision="float32")


class Session(Protocol):
    """An artifact that a runtime has opened. It owns scale and zero point."""

    facts: SessionFacts

    def predict(self, images: Images) -> Predictions:
        """Run all images, batched and on all threads: uint8 (N, H, W, C) -> float32 (N, K)."""

    def single_call(self, image: Images) -> Callable[[], object]:
        """Return a function that runs one image, uint8 (1, H, W, C), already in place."""

    def batch_call(self, images: Images) -> Callable[[], object]:
        """Return a function that runs some images at once, uint8 (N, H, W, C), in place.

        Raises RuntimeFailure where the file cannot take so many.
        """


class Runtime(Plugin):
    """Opens an artifact and runs it."""

    format: ClassVar[Format]
    suffixes: ClassVar[tuple[str, ...]]
    needs_tensorflow: ClassVar[bool] = False

    @abstractmethod
    def open(self, path: Path, threads: int, input_spec: "InputSpec") -> Session:
        """Open the file at ``path``. Raises RuntimeFailure where it is not usable."""

    def executed(self, path: Path, image: Images) -> list[ExecutedOperator]:
        """Return the operators that run for one image, uint8 (1, H, W, C), in order."""
        raise RuntimeFailure(str(path), f"{self.name} does not say which operators it runs")

    def activations(self, path: Path, images: Images) -> list[Activation]:
        """Return what each operator gives for some images, uint8 (N, H, W, C), in order."""
        raise RuntimeFailure(str(path), f"{self.name} does not say what its operators give")

    def stored(self, path: Path, input_spec: "InputSpec") -> Stored:
        """Return what a file stores: its weights as reals, and how its tensors are quantized."""
        raise RuntimeFailure(str(path), f"{self.name} does not say what its files store")

    def watcher(self, path: Path, threads: int, input_spec: "InputSpec") -> "Watcher":
        """Return what gives the extremes of each of the points of ``stored``, image by image."""
        raise RuntimeFailure(str(path), f"{self.name} does not say what its operators give")


Watcher = Callable[[Images], Extremes]
"""Runs images, uint8 (N, H, W, C), and says how far each point went for each of them."""
Progress = Callable[[int, int], None]
"""Called with how many are done, of how many."""
