"""Contents of a model file as plain records: weights as reals, quantization of tensors."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgecv.core.arrays import ArrayField

Floats = NDArray[np.float32]
Vector = Annotated[Floats, ArrayField("float32", sides=1)]
Matrix = Annotated[Floats, ArrayField("float32", sides=2)]
RELATIVE = 1e-4
"""Largest relative difference of two scales: each format rounds them once more to float32."""
KERNEL = "kernel"
"""Type of a point that is the output of a kernel."""


@dataclass(frozen=True)
class Steps:
    """Scale and zero point of a tensor of integers between ``low`` and ``high``."""

    scale: float
    zero_point: int
    low: int
    high: int

    @property
    def is_cut(self) -> bool:
        """True if it can hold nothing below 0."""
        return self.zero_point == self.low

    @property
    def floor(self) -> float:
        """The smallest real that it can hold."""
        return (self.low - self.zero_point) * self.scale

    @property
    def ceiling(self) -> float:
        """The largest real that it can hold."""
        return (self.high - self.zero_point) * self.scale


@dataclass(frozen=True)
class Kernel:
    """The weights of one operator, as the reals that they stand for."""

    name: str
    type: str
    """Stored type: int8, float16, float32 ..."""
    values: Annotated[Floats, ArrayField("float32", sides=3)]
    """float32 (outputs, inputs, places)."""
    steps: Vector
    """Scale of the weights of each output: float32 (outputs,), 0 where they are floats."""
    bias: Vector
    """float32 (outputs,), 0 where there is none."""
    bias_steps: Vector
    """Scale of the biases: float32 (outputs,), 0 where they are floats."""
    zero_points: int = 0
    """Number of the weights' zero points that should be 0 and are not."""
    is_depthwise: bool = False
    is_asymmetric: bool = False
    """True if its weights were meant to have zero points that are not 0."""
    inputs: tuple[int, ...] = ()
    """Numbers of the nearest kernels whose values it takes."""
    behind: tuple[str, ...] = ()
    """Types of the operators between it and the next kernels."""
    output: str = ""
    """The name of the tensor behind it and what is folded into it."""

    @property
    def is_quantized(self) -> bool:
        """True if the weights are integers."""
        return bool(np.any(self.steps))


@dataclass(frozen=True)
class Point:
    """A tensor that an operator computes."""

    name: str
    type: str
    starts_at_zero: bool
    """True if its operator gives no value below 0."""
    steps: Steps | None = None
    """None for a tensor of floats."""
    sources: tuple[int, ...] = ()
    """Numbers of the nearest kernels that it is computed of; of its own kernel, if it has one."""


@dataclass(frozen=True)
class Link:
    """Two points with the same quantization: one tensor, or an operator that only moves values.

    ``is_one_tensor``: one operator writes the tensor and another reads it.
    """

    name: str
    type: str
    is_one_tensor: bool
    given: Steps
    taken: Steps


@dataclass(frozen=True)
class Stored:
    """Weights and quantization of a file, as its runtime reads them."""

    kernels: tuple[Kernel, ...]
    points: tuple[Point, ...]
    links: tuple[Link, ...]
    pixels: Matrix | None
    """Input of the first kernel for a pixel's bytes b: ``pixels[:, :-1] @ b + pixels[:, -1]``,
    float32 (channels, channels + 1). None where it could not be traced."""
    operators: tuple[tuple[str, int], ...] = ()
    """Number of operators of each type, without those that only quantize."""
    pixels_room: Matrix | None = None
    """The largest error of ``pixels`` by the rounding of its constants, of the same shape."""


@dataclass(frozen=True)
class Extremes:
    """The smallest and the largest value of each point, for each image."""

    low: Matrix
    """float32 (images, points)."""
    high: Matrix


def are_same_scales(found: ArrayLike, wanted: ArrayLike) -> NDArray[np.bool_]:
    """Return True for each pair of scales that differ by rounding alone."""
    return np.isclose(found, wanted, rtol=RELATIVE, atol=0)
