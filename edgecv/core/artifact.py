"""An exported file: its facts, its tensors, its layers, what its runtime executes."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from edgecv.core.arrays import ArrayField
from edgecv.core.data import Shape

TWIN_STEM = "float32"
"""A file of this name is the float32 export of the baseline: the twin of its format."""

UNNAMED = "kernel "
"""Start of the name of stored weights that are no layer's: their number in the file follows."""


@dataclass(frozen=True)
class Layer:
    """The weights of one layer as they stand in an exported file."""

    name: str
    """That of the model's layer; ``kernel 2`` where it is none of the model's, see ``is_known``."""
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

    @property
    def is_known(self) -> bool:
        """True if it is a layer of the model that techniques see.

        Others are a second use of a layer, and layers of kinds that are left as they are.
        """
        return not self.name.startswith(UNNAMED)


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
    outputs: tuple[TensorFacts, ...]
    answers: tuple[tuple[int, ...], ...]
    """Shape of each output for one image: (K,) where it is one row of numbers."""
    image: Shape
    """Shape of its input images as (H, W, C), whatever the order of its own axes."""
    notes: tuple[str, ...] = ()
    axes: str = "NHWC"
    """The order of the input's axes: N images, H height, W width, C channels."""
    run_shapes: tuple[tuple[int, ...], ...] = ()
    """Shape of each output of a run, with all its axes: as declared, or as it was where a side is
    open."""

    @property
    def output(self) -> TensorFacts:
        """The first output, which is the only one of most files."""
        return self.outputs[0]

    @property
    def scales(self) -> dict[str, float | None]:
        """The scale of each output that was integers, by its name."""
        return {each.name: each.scale for each in self.outputs}

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
class ModelStart:
    """A file that was opened and run until its time was steady."""

    median_s: float
    """Median of a call, at the end of its warm-up."""
    open_s: float
    first_call_s: float
    images_of_a_call: int


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


PRECISION_NOT_KNOWN = "given"
