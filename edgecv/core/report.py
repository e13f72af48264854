"""The report of a run as plain data: measurements, comparisons, gates, and what they stand on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from edgecv.core.class_results import ModelResults
from edgecv.core.comparison import Comparison
from edgecv.core.costs import Costs
from edgecv.core.display import Displayed

Outcome = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True)
class MemoryPeaks:
    """The peak of resident memory, in bytes, images that are mapped from the cache included."""

    bytes: int
    """Peak of the process that wrote the report, over its whole life."""
    child_bytes: int
    """Peak of the largest of its child processes, in which models are converted and run."""


@dataclass(frozen=True)
class Gate:
    """The verdict of one limit on one artifact, or of a file that could not be measured."""

    name: str
    artifact: str
    limit: float
    observed: float | None
    outcome: Outcome
    reason: str = ""
    head: str = ""
    """The head of the model, as in ``Comparison``; empty for what is of the whole file."""
    against: str = ""
    """"control" where the observed value is against the control, not the baseline."""

    @property
    def label(self) -> str:
        """The path of the file, with the head that was judged where the model has several."""
        return f"{self.artifact} ({self.head})" if self.head else self.artifact


@dataclass(frozen=True)
class SplitFacts:
    """Number of images of a split, and their hash."""

    images: int
    sha256: str


@dataclass(frozen=True)
class UnlabelledFacts(SplitFacts):
    """Images without labels that techniques have learned from, beside the training images."""

    left_out: int
    """Images of the folder that are test or validation images, and so taught nothing."""


@dataclass(frozen=True)
class DataFacts:
    """Facts about the data, for the report."""

    name: str
    classes: tuple[str, ...]
    splits: Mapping[str, SplitFacts]
    notes: tuple[str, ...] = ()
    has_labels: bool = True
    head_classes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Names of the classes of each head, where the model has several."""
    class_counts: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """Images of each class in each split, where the images have one class each."""
    unlabelled: UnlabelledFacts | None = None
    """None where there were none."""


@dataclass(frozen=True)
class Baseline:
    """The original model. ``path`` is relative to the run directory."""

    path: str
    parameters: int | None
    """None where it was not loaded as a model."""
    metric: str
    value: float | None
    """None where the images have no labels."""
    sha256: str = ""
    """SHA-256 of the model's file or folder as it was given; empty where it was trained."""
    head_values: Mapping[str, float | None] = field(default_factory=dict)
    """The headline metric of each head, where the model has several."""
    code_sha256: str = ""
    """SHA-256 of the files with the user's own layers and training; empty without any."""
    teacher_sha256: str = ""
    """SHA-256 of the teacher's file; empty without one, or where it was trained."""


@dataclass(frozen=True)
class ControlScore:
    """The headline metric of the control and of the baseline, for one head of the model."""

    head: str
    """The head, as in ``Comparison``."""
    metric: str
    value: float
    """On the test split."""
    difference_points: float
    """Control minus baseline on the test split: what training alone gains."""
    validation_value: float
    baseline_validation_value: float
    decides: bool
    """True if the control is no worse than the baseline on the validation split."""


@dataclass(frozen=True)
class Control:
    """The baseline, trained on with the epochs, data and options of the techniques."""

    path: str
    """Relative to the run directory; empty where it could not be trained."""
    epochs: int
    scores: tuple[ControlScore, ...] = ()
    reason: str = ""
    """The reason if it could not be trained."""


@dataclass(frozen=True)
class TrainingCurve:
    """A training of a run, epoch by epoch."""

    name: str
    """"baseline", "teacher", "control", or the technique."""
    epochs: tuple[Mapping[str, bool | int | float | None], ...]
    """epoch, loss, validation_loss, the score of the task (accuracy) and that of the validation
    images (validation_accuracy), learning_rate, seconds, and settled: False where the weights are
    none that may be kept, as they break a rule, or as a later round goes on. Trainings that an
    earlier version has stored have fewer."""


@dataclass(frozen=True)
class Deployment:
    """A file on a device, beside the same file on the machine that deployed it."""

    target: str
    artifact: str
    """The row of the device in the comparisons."""
    runtime: str
    images: int
    """Images whose answers there were compared; 0 where nothing ran it."""
    same_answers: int
    """Images with the answer of this machine."""
    equal_outputs: int
    """Images whose outputs are the same numbers."""
    largest_difference: float
    """Largest difference of one number of the outputs."""
    kernels: str = ""
    """The kernels of LiteRT on this machine, where they are those that the target computes as."""
    memory_bytes: int | None = None
    flash_bytes: int | None = None
    folder: str = ""
    """The folder or file that was written."""
    profile: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report(Displayed):
    """All of a run, as plain data. ``load_report`` reads it back."""

    name: str
    recipe: Mapping[str, Any]
    environment: Mapping[str, Any]
    outcome: Outcome
    data: DataFacts
    baseline: Baseline | None
    comparisons: tuple[Comparison, ...]
    gates: tuple[Gate, ...]
    notes: tuple[str, ...] = ()
    costs: Costs | None = None
    """None where a model's graph could not be traced; the notes give the reason."""
    deployment: Deployment | None = None
    """The file on a device, in the report of a deployment."""
    control: Control | None = None
    """None where no technique trains, where it was left out, and in reports from before it."""
    memory: MemoryPeaks | None = None
    """None in reports from before it was measured."""
    trainings: tuple[TrainingCurve, ...] = ()
    """The trainings of the run, in their order; those of a model that was given are not known."""
    results: tuple[ModelResults, ...] = ()
    """The answers of the baseline and of each candidate by class, where answers are classes."""
    given: Mapping[str, Any] | None = None
    """The task and the preprocessing that the run was given: what else its recipe has of them, it
    has found. None where it is no run, and in reports from before it."""
    schema_version: int = field(default=1)

    @property
    def devices(self) -> tuple[str, ...]:
        """The runtimes of the devices that files were measured on; empty for this machine."""
        return tuple(dict.fromkeys(each.runtime for each in self.comparisons if each.machine))

    @property
    def machine(self) -> str:
        """The kind of machine that the files were measured on: a device, or this one."""
        devices = (each.machine for each in self.comparisons if each.machine)
        return next(devices, str(self.environment["machine"]))

    @property
    def files(self) -> tuple[Comparison, ...]:
        """The first comparison of each file, for what is of the file and not of a head."""
        first = {each.artifact.path: each for each in reversed(self.comparisons)}
        return tuple(each for each in self.comparisons if first[each.artifact.path] is each)
