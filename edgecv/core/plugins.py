"""The contract of each plugin kind: what its one class has to do.

A plugin is one class in one file of its folder. The class is its own schema, defaults, validation
and behaviour; the first line of its docstring is its help text.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.options import Options
from edgecv.core.paired_results import PairedStatistics
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
    Layer,
    Outputs,
    Predictions,
    SessionFacts,
    Shape,
    Split,
    Targets,
    TextTable,
    TrialExport,
)

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
    def build(self, input_shape: Shape, head: "Head") -> Any:
        """Build an untrained tf-keras model.

        Input: float32 (N, H, W, C), 0..255; its first layer rescales. Its last layers are those of
        the task's ``head``. Layers are named by architecture and head, so that two builds give the
        same graph. Raises InputError where the shape is too small.
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


class Head(Protocol):
    """Makes the layers that turn the features of an architecture into the output of a task."""

    def __call__(self, **options: Any) -> Sequence[Any]:
        """Return untrained tf-keras layers, in order: float32 (N, F) -> float32 (N, ...).

        ``options`` of the layer with the weights, which an architecture may have its own of.
        """


@dataclass(frozen=True)
class Metric:
    """A figure of all images of a split."""

    name: str
    of: Callable[[Outputs, Targets], float]
    is_fraction: bool = True
    """Whether it is shown as a percentage, and differences in percentage points."""
    higher_is_better: bool = True
    points: float = 100.0
    """How many points one unit of it is: a fraction is 100 percentage points."""

    def gain_points(self, value: float, baseline: float) -> float:
        """Return how much better a value is than the baseline's, in points."""
        gain = (value - baseline) * self.points
        return gain if self.higher_is_better else -gain

    def text(self, value: float | None, digits: int = 2) -> str:
        """Write a value that may not be known.

        >>> Metric("accuracy", lambda outputs, targets: 0.0).text(0.747)
        '74.70%'
        """
        if value is None:
            return "unknown"
        return f"{value:.{digits}%}" if self.is_fraction else f"{value:.4g}"


@dataclass(frozen=True)
class Terms:
    """Words of a task for pictures and reports."""

    score: str = "score"
    """The mean of ``score_per_image``: names it in the record of a training."""
    score_axis: str = "mean score"
    loss: str = "loss"
    output: str = "an output"
    """One number of the outputs, that may differ from the baseline's."""
    outputs: str = "numbers"
    """The numbers that a model gives for an image, where they are counted."""
    same: str = "the answer is the same"
    groups: str = "groups"
    """The groups of images that ``lost_groups`` speaks of."""


class Task(Plugin):
    """The meaning of a model's outputs: what is learned, measured, compared and shown.

    Nothing outside of a task knows what a class, a box or a mask is. ``Outputs`` are as
    ``normalized`` returns them, ``Targets`` as a data set holds them.
    """

    terms: ClassVar[Terms] = Terms()
    has_binary_scores: ClassVar[bool] = False
    """Whether an image is right or wrong, a score of 1 or 0: else scores are real numbers."""
    conversion_limit: ClassVar[float] = 1e-4
    """The most that a float32 twin may differ from the Keras model, by ``differences``."""

    # The network and its training, in TensorFlow.

    @abstractmethod
    def head(self, data: Dataset) -> Head:
        """Return what an architecture of ours ends in, for some data."""

    @abstractmethod
    def targets(self, labels: Targets) -> Targets:
        """Return what ``loss`` is given for labels of the data set: (N, ...) -> (N, ...)."""

    @abstractmethod
    def loss(self, targets: Any, raw: Any) -> Any:
        """Per-image training loss of raw outputs: TensorFlow (N, ...), (N, ...) -> (N,)."""

    @abstractmethod
    def imitation_loss(self, teacher: Any, raw: Any, temperature: float) -> Any:
        """Per-image loss of other raw outputs than the teacher's: (N, ...), (N, ...) -> (N,)."""

    @abstractmethod
    def training_score(self, targets: Any, raw: Any) -> Any:
        """Score of each image by its raw outputs: TensorFlow (N, ...), (N, ...) -> (N,)."""

    def separated(self, model: Any) -> Any:
        """Return the same function, with what ``loss`` leaves out as a layer of its own."""
        return model

    def raw_model(self, model: Any) -> Any:
        """Return a model that shares all layers and gives raw outputs, those that ``loss`` takes.

        Raises StepError where the model does not end as ``separated`` models do.
        """
        return model

    def divergence(self, whole: Predictions, cut: Predictions) -> float:
        """Return how far a cut model's output is from the whole one's: (N, ...), (N, ...) -> 0..

        0 where they are the same. Channel pruning compares its cuts by it.
        """
        return float(np.mean((whole.astype(np.float64) - cut) ** 2))

    # Outputs of any runtime, in numpy.

    def count_outputs(self, data: Dataset) -> int | None:
        """Return how many numbers a model gives for an image of the data; None where any do."""
        return None

    def fit_data(
        self, data: Dataset, outputs: int, names: Sequence[str] | None, where: str
    ) -> Dataset:
        """Return the data for a model that gives so many numbers an image.

        ``names``: of the outputs, where they were given. Raises InputError where model and data do
        not fit each other; ``where`` names the model.
        """
        return data

    def normalized(
        self, outputs: Outputs, scales: Mapping[str, float | None]
    ) -> tuple[Outputs, tuple[str, ...]]:
        """Return outputs as the metrics take them, and a sentence where they had to be changed.

        ``scales``: of outputs that were integers, each of which is up to half of it off. Raises
        ValueError, with what was found, where they are no outputs of this task.
        """
        return outputs, ()

    def check_baseline(self, outputs: Outputs, where: str) -> None:
        """Raise InputError where the baseline gives what nothing can be compared with."""
        if not all(np.isfinite(values).all() for values in outputs.arrays.values()):
            raise InputError(where, "gives NaN or infinity on the test images")

    @property
    @abstractmethod
    def metrics(self) -> tuple[Metric, ...]:
        """Figures that comparisons and gates speak of: the first is the headline."""

    @property
    def headline(self) -> Metric:
        """The first metric."""
        return self.metrics[0]

    def metric(self, outputs: Outputs, targets: Targets) -> float:
        """Return the value of the headline metric."""
        return self.headline.of(outputs, targets)

    @abstractmethod
    def score_per_image(self, outputs: Outputs, targets: Targets) -> NDArray[np.float64]:
        """Return how right each image is, bigger is better: float64 (N,)."""

    @abstractmethod
    def same_answer(self, outputs: Outputs, reference: Outputs) -> NDArray[np.bool_]:
        """Return which images get the reference's answer: bool (N,)."""

    @abstractmethod
    def answer_bytes(self, outputs: Outputs) -> bytes:
        """Return bytes that are the same where all answers are: a lock holds a hash of them."""

    def confidence(self, outputs: Outputs, places: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return how sure the model is of its answers to images at some places: float64 (M,)."""
        return np.zeros(len(places))

    def differences(self, outputs: Outputs, reference: Outputs) -> tuple[float, float]:
        """Return the mean and the largest difference of one number of the outputs."""
        pairs = zip(outputs.arrays.values(), reference.arrays.values(), strict=True)
        found = [np.abs(one.astype(np.float64) - other) for one, other in pairs]
        count = sum(each.size for each in found)
        return sum(float(each.sum()) for each in found) / count, float(max(map(np.max, found)))

    def guessing(self, data: Dataset) -> float | None:
        """Return the headline of a model that knows nothing; None where that says nothing."""
        return None

    def doubts(self, outputs: Outputs, data: Dataset, where: str) -> str | None:
        """Say why the baseline's outputs may mean something else than the labels; None if not.

        Raises InputError where they clearly do.
        """
        return None

    def further_statistics(
        self,
        statistics: PairedStatistics,
        outputs: Outputs,
        baseline: Outputs,
        targets: Targets,
    ) -> PairedStatistics:
        """Return the statistics of a pair with those that only this task has."""
        return statistics

    def lost_groups(
        self,
        right: NDArray[np.bool_],
        baseline_right: NDArray[np.bool_],
        targets: Targets,
        names: Sequence[str],
    ) -> list[str]:
        """Return a sentence on each group of images that lost, the worst first.

        ``right``: bool (N,), which images are right; ``names``: of the data's classes.
        """
        return []

    # The report.

    def score_text(self, value: float) -> str:
        """Write a mean score."""
        return f"{value:.1%}" if self.has_binary_scores else f"{value:.4g}"

    def summary(self, statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
        """Return parts of the one line on an artifact. ``names``: of the data's classes."""
        return []

    def details(self, statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
        """Return sentences on an artifact for the report."""
        return []

    def table(self, statistics: PairedStatistics, names: Sequence[str]) -> TextTable | None:
        """Return a table on an artifact for the report."""
        return None

    method: ClassVar[str] = ""
    """Sentences on how ``summary`` and ``table`` are computed."""

    @abstractmethod
    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return lines below a test image that gets another answer: before, and after."""

    def picture(self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int) -> Images:
        """Return how a test image is drawn: uint8 (H, W, 1 or 3), 0..255."""
        image: Images = data.test.images[place]
        return image

    def truth(self, data: Dataset, place: int) -> str:
        """Write the label of a test image."""
        return str(data.test.labels[place])


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
