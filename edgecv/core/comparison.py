"""A candidate beside the baseline: its measurement, and every figure that is compared."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.data import Outputs
from edgecv.core.paired_results import PairedStatistics

Blocks = NDArray[np.int64]
"""Timed runs of one process in interleaved blocks: int64 (blocks, runs a block), nanoseconds."""


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
