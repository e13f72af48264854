"""Frozen records of results, shared by all layers: numpy and the standard library only."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.arrays import ArrayField
from edgecv.core.display import Displayed
from edgecv.core.paired_results import PairedStatistics
from edgecv.core.text import counted

Images = NDArray[np.uint8]
"""Images as a camera or a file gives them: uint8 (N, H, W, C), 0..255."""
Labels = NDArray[np.int64]
"""Class indices: int64 (N,)."""
Targets = NDArray[Any]
"""Labels of any task, a row an image: (N, ...)."""
UNKNOWN_LABEL = -1
"""Label of each image of a data set without labels."""
Predictions = NDArray[np.float32]
"""Values of one output: float32 (N, ...), a row an image."""
Shape = tuple[int, int, int]
"""Height, width, channels of one image."""

Blocks = NDArray[np.int64]
"""Timed runs of one process in interleaved blocks: int64 (blocks, runs a block), nanoseconds."""

Outcome = Literal["passed", "failed", "inconclusive"]
TWIN_STEM = "float32"
"""A file of this name is the float32 export of the baseline: the twin of its format."""
SPLITS = ("train", "calibration", "validation", "test")


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs of a model for N images: name of the output -> float32 (N, ...), in its order.

    Raises ValueError where there is none, or where their numbers of images differ.
    """

    arrays: Mapping[str, Predictions]

    def __post_init__(self) -> None:
        counts = {len(values) for values in self.arrays.values()}
        if len(counts) != 1:
            raise ValueError(f"outputs of {sorted(counts)} images")

    @classmethod
    def one(cls, values: Predictions, name: str = "output") -> "Outputs":
        """Return the outputs of a model with one output: float32 (N, ...)."""
        return cls({name: values})

    @property
    def only(self) -> Predictions:
        """Return the values of the one output. Raises ValueError where there are several."""
        if len(self.arrays) != 1:
            raise ValueError(f"{counted(len(self.arrays), 'output')}: {', '.join(self.arrays)}")
        return next(iter(self.arrays.values()))

    def __len__(self) -> int:
        return len(next(iter(self.arrays.values())))


@dataclass(frozen=True)
class Split:
    """Labelled images of one split. ``sha256`` is over the pixels and labels, in order."""

    images: Images
    labels: Targets
    sha256: str

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Dataset:
    """Labelled images in four splits that share no image. A split may be empty.

    ``notes`` are sentences for the user and the report: what was resized, dropped or skipped.
    """

    name: str
    class_names: tuple[str, ...]
    train: Split
    calibration: Split
    validation: Split
    test: Split
    notes: tuple[str, ...] = ()
    has_labels: bool = True
    """True if the labels of the images are known; metrics need them."""

    @property
    def test_labels(self) -> Targets | None:
        """Return the labels of the test split: (N, ...), None where they are not known."""
        return self.test.labels if self.has_labels else None

    def split(self, name: str) -> Split:
        """Return the split called ``name``: one of ``SPLITS``."""
        found: Split = {key: getattr(self, key) for key in SPLITS}[name]
        return found

    @property
    def image_shape(self) -> Shape:
        """Height, width and channels of every image."""
        height, width, channels = self.test.images.shape[1:]
        return int(height), int(width), int(channels)


@dataclass(frozen=True)
class Layer:
    """The weights of one layer as they stand in an exported file."""

    name: str
    shape: tuple[int, ...]
    """Shape of the kernel in Keras: (height, width, inputs, outputs) or (inputs, outputs)."""
    type: str
    weights: int
    sparsity: float
    """Fraction of the weights that are zero."""
    distinct: int
    """Distinct stored values."""
    scales: tuple[float, ...] = ()
    """Scales of the weights, one or one an output; empty where they are not integers."""
    output_scale: float | None = None
    output_zero_point: int | None = None
    """Zero point of the layer's output as uint8: an int8 file's zero point plus 128."""
    is_depthwise: bool = False
    """True if the weights are a depthwise kernel, which techniques do not change."""


@dataclass(frozen=True)
class LayerCost:
    """Cost of one use of a layer for one image."""

    name: str
    type: str
    output_shape: tuple[int, ...]
    macs: int
    """Multiply-accumulates of its kernels."""
    parameters: int
    activations: int
    """Elements of its output: bytes when int8."""


@dataclass(frozen=True)
class ModelCost:
    """Cost of a model for one image, computed from its graph without a runtime."""

    macs: int
    parameters: int
    peak_activations: int
    """Largest number of elements in memory at once, layer by layer: bytes when int8."""
    layers: tuple[LayerCost, ...]


@dataclass(frozen=True)
class Costs:
    """Costs of the baseline and of the compressed model, from their graphs."""

    baseline: ModelCost
    compressed: ModelCost


@dataclass(frozen=True)
class TrialExport:
    """Figures of a model that was exported only to measure it; the file is not kept."""

    bytes: int
    latency_us: float
    speedup: float
    """Speed-up over the baseline's float32 twin in the same format, timed alternately."""


@dataclass(frozen=True)
class Artifact:
    """One exported file and its facts. ``path`` is relative to the run directory."""

    path: str
    format: str
    precision: str
    bytes: int
    gzip_bytes: int
    sha256: str
    notes: tuple[str, ...] = ()
    layers: tuple[Layer, ...] = ()
    """Read back from the file; empty for a file that edgecv did not write."""


@dataclass(frozen=True)
class TensorFacts:
    """One input or output of an artifact. ``scale`` is None where the tensor is not quantized."""

    name: str
    shape: tuple[int, ...]
    type: str
    scale: float | None = None
    zero_point: int | None = None


@dataclass(frozen=True)
class SessionFacts:
    """Inputs and outputs of an artifact that a runtime has opened.

    ``notes`` describe the file's shapes and ranges.
    """

    input: TensorFacts
    output: TensorFacts
    image: Shape
    """Shape of its input images as (H, W, C), whatever the order of its own axes."""
    notes: tuple[str, ...] = ()
    axes: str = "NHWC"
    """The order of the input's axes: N images, H height, W width, C channels."""

    @property
    def batch(self) -> int:
        """Images of one run; -1 where the file leaves it open."""
        return self.input.shape[self.axes.index("N")] if "N" in self.axes else 1


@dataclass(frozen=True)
class FileEnds:
    """Every input and output of an artifact, as it declares them."""

    inputs: tuple[TensorFacts, ...]
    outputs: tuple[TensorFacts, ...]


@dataclass(frozen=True)
class ExecutedOperator:
    """One operator as the runtime executes it, after the runtime's own rewriting."""

    name: str
    type: str
    is_delegated: bool = False
    """True if XNNPACK runs it instead of the interpreter."""
    microseconds: float | None = None
    """Median time of one run; None where the runtime has no profiler."""


@dataclass(frozen=True)
class Activation:
    """Output of one operator for some images, as reals."""

    name: str
    type: str
    inputs: tuple[str, ...]
    """Names of the activations that it is computed from; empty for the images themselves."""
    values: Annotated[NDArray[np.float32], ArrayField("float32", sides=2)]
    """float32 (N, elements)."""


@dataclass(frozen=True)
class Latency:
    """Time of one inference of one image, in microseconds, over ``runs`` timed runs."""

    median_us: float
    p95_us: float
    threads: int
    runs: int


@dataclass(frozen=True)
class Measurement:
    """One artifact, on one runtime, on one split."""

    artifact: Artifact
    runtime: str
    outputs: Outputs
    facts: SessionFacts
    blocks_ns: tuple[Blocks, ...] | None = None
    """Timed runs of each process; None where it was not timed."""


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
    """Mean cosine similarity of a sample; None where a sample is all zeros."""


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


@dataclass(frozen=True)
class Tile:
    """One image of a contact sheet, uint8 (H, W, 1 or 3), with lines below and a border colour."""

    image: NDArray[np.uint8]
    lines: tuple[str, ...]
    colour: str


@dataclass(frozen=True)
class TextTable:
    """Rows of text under headings, and a sentence below them where rows are left out."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    below: str = ""


@dataclass(frozen=True)
class Gate:
    """The verdict of one limit on one artifact, or of a file that could not be measured."""

    name: str
    artifact: str
    limit: float
    observed: float | None
    outcome: Outcome
    reason: str = ""


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
    schema_version: int = field(default=1)


@dataclass(frozen=True)
class Event:
    """An event of a run, for displays and callbacks.

    ``stage`` is a stable identifier, ``message`` a sentence; ``step`` of ``total`` is a count.
    """

    stage: str
    message: str
    step: int | None = None
    total: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    path: Path | None = None


OnEvent = Callable[[Event], None]
"""Receives each event of a run."""


def ignore_event(event: Event) -> None:
    """Ignore the event: for callers that only need the result."""


PRECISION_NOT_KNOWN = "given"


def score_name(epoch: Mapping[str, Any]) -> str:
    """Return the name of the score in the record of an epoch."""
    return next(key for key in epoch if f"validation_{key}" in epoch)
