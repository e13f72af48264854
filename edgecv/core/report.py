"""The report of a run as plain data: measurements, comparisons, gates, and what they stand on."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.class_results import ModelResults
from edgecv.core.costs import Costs
from edgecv.core.data import Outputs
from edgecv.core.display import Displayed
from edgecv.core.paired_results import PairedStatistics

Blocks = NDArray[np.int64]
"""Timed runs of one process in interleaved blocks: int64 (blocks, runs a block), nanoseconds."""
Outcome = Literal["passed", "failed", "inconclusive"]


@dataclass(frozen=True)
class Latency:
    """Time of one inference of one image, in microseconds, over ``runs`` timed runs."""

    median_us: float
    p95_us: float
    threads: int
    runs: int
    spread_us: tuple[float, ...] = ()
    """The 5th, the 25th and the 75th percentile; empty in reports from before."""


@dataclass(frozen=True)
class MemoryPeaks:
    """The peak of resident memory, in bytes, images that are mapped from the cache included."""

    bytes: int
    """Peak of the process that wrote the report, over its whole life."""
    child_bytes: int
    """Peak of the largest of its child processes, in which models are converted and run."""


@dataclass(frozen=True)
class Measurement:
    """One artifact, on one runtime, on one split."""

    artifact: Artifact
    runtime: str
    outputs: Outputs
    facts: SessionFacts
    blocks_ns: tuple[Blocks, ...] | None = None
    """Timed runs of each process; None where it was not timed."""
    machine: str = ""
    """The kind of machine of the device that it ran on; empty for this machine."""


@dataclass(frozen=True)
class MetricValue:
    """A further metric of the task, of a candidate and of the baseline."""

    name: str
    value: float
    baseline_value: float | None


@dataclass(frozen=True)
class OutputDifference:
    """The numbers of one output beside the baseline's, over all samples."""

    name: str
    """The baseline's name of the output."""
    shape: tuple[int, ...]
    """Shape for one sample."""
    mean: float
    """Mean absolute difference of a number."""
    largest: float
    of_range: float | None
    """The largest difference as a fraction of the baseline's range; None where that is 0."""
    cosine: float | None
    """Mean cosine similarity of a sample, 0 where only one of both is all zeros."""
    sqnr_db: float | None = None
    """Signal to quantization noise: 10 times the decimal logarithm of the sum of the baseline's
    squares over that of the squared differences. None where either is 0."""
    mean_interval: tuple[float, float] | None = None
    """95% interval of ``mean`` over samples."""
    cosine_interval: tuple[float, float] | None = None
    """95% interval of ``cosine`` over samples."""
    worst: tuple[int, ...] = ()
    """Samples with the largest differences, by their place, the worst first."""


@dataclass(frozen=True)
class ControlComparison:
    """A candidate beside the control, on the test split: figures as in ``Comparison``."""

    value: float
    """The headline metric of the control."""
    difference_points: float
    statistics: PairedStatistics
    decides: bool
    """True if limits on quality are held against the control: see ``ControlScore``."""


@dataclass(frozen=True)
class Comparison:
    """A candidate (or twin) beside the baseline and its float twin, on the test split.

    ``metric`` is the headline of the task, ``value`` a fraction where that is one; differences are
    points (percentage points of a fraction), higher is better; ratios are float twin over
    candidate, higher is better. A figure without anything to compare with is None.
    """

    artifact: Artifact
    runtime: str
    is_twin: bool
    metric: str
    value: float | None
    """None where the images have no labels."""
    baseline_value: float | None
    difference_points: float | None
    agreement: float | None
    max_probability_difference: float | None
    """Largest difference of one number of the outputs."""
    size_ratio: float | None
    speedup: float | None
    speedup_interval: tuple[float, float] | None
    """95% interval over processes; None where only one process was timed."""
    latency: Latency | None
    """None where it was not timed."""
    input: TensorFacts
    output: TensorFacts
    mean_probability_difference: float | None = None
    statistics: PairedStatistics | None = None
    """Image by image against the baseline; None where there is no baseline."""
    flips_picture: str | None = None
    """Picture of the images whose answer changed, relative to the run directory."""
    further_metrics: tuple[MetricValue, ...] = ()
    output_differences: tuple[OutputDifference, ...] = ()
    """Each output number by number, where nothing says what the numbers mean."""
    further_outputs: tuple[TensorFacts, ...] = ()
    """The outputs of the file after the first."""
    head: str = ""
    """The head of the model that was compared, by its outputs; empty where it has one task."""
    control: ControlComparison | None = None
    """Beside the control; None where the run has none."""
    machine: str = ""
    """The kind of machine of the device that it was measured on; empty for the one that the
    environment names."""

    @property
    def against_better(self) -> "Comparison":
        """The comparison with the better of baseline and control: limits on quality judge it."""
        if self.control is None or not self.control.decides:
            return self
        return replace(
            self,
            baseline_value=self.control.value,
            difference_points=self.control.difference_points,
            statistics=self.control.statistics,
        )

    @property
    def label(self) -> str:
        """The path of the file, with the head where the model has several."""
        return f"{self.artifact.path} ({self.head})" if self.head else self.artifact.path


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
    images (validation_accuracy), learning_rate, seconds, settled. Trainings that an earlier version
    has stored have fewer."""


@dataclass(frozen=True)
class Deployment:
    """A file on a device, beside the same file on the machine that deployed it."""

    target: str
    artifact: str
    """The row of the device in the comparisons."""
    runtime: str
    images: int
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
