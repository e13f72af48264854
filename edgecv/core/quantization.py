"""What a file stores: weights as reals, and how each tensor is quantized. Plain records."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from edgecv.core.arrays import ArrayField

Floats = NDArray[np.float32]
Vector = Annotated[Floats, ArrayField("float32", sides=1)]
Matrix = Annotated[Floats, ArrayField("float32", sides=2)]
KERNEL = "kernel"
"""The type of a point that a kernel gives."""


@dataclass(frozen=True)
class Steps:
    """Scale and zero point of a tensor of integers between ``low`` and ``high``."""

    scale: float
    zero_point: int
    low: int
    high: int

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
    """Of what is stored: int8, float16, float32 ..."""
    values: Annotated[Floats, ArrayField("float32", sides=3)]
    """float32 (outputs, inputs, places)."""
    steps: Vector
    """Of the weights of each output: float32 (outputs,), 0 where they are floats."""
    bias: Vector
    """float32 (outputs,), 0 where there is none."""
    bias_steps: Vector
    """float32 (outputs,), 0 where they are floats."""
    zero_points: int = 0
    """How many of the weights' zero points are not 0."""
    is_depthwise: bool = False

    @property
    def is_quantized(self) -> bool:
        """Whether the weights are integers."""
        return bool(np.any(self.steps))


@dataclass(frozen=True)
class Point:
    """A tensor that an operator computes."""

    name: str
    type: str
    starts_at_zero: bool
    """Whether its operator gives nothing below 0."""
    steps: Steps | None = None
    """None where it is of floats."""


@dataclass(frozen=True)
class Link:
    """Two ends that must be quantized alike: of one tensor, or of an operator that hands values on.

    ``is_one_tensor``: what one operator rounds another reads.
    """

    name: str
    type: str
    is_one_tensor: bool
    given: Steps
    taken: Steps


@dataclass(frozen=True)
class Stored:
    """What a file stores, as its runtime reads it."""

    kernels: tuple[Kernel, ...]
    points: tuple[Point, ...]
    links: tuple[Link, ...]
    pixels: Matrix | None
    """What reaches the first kernel of a pixel's bytes b: ``pixels[:, :-1] @ b + pixels[:, -1]``,
    float32 (channels, channels + 1). None where it could not be followed."""
    operators: tuple[tuple[str, int], ...] = ()
    """How many operators of each type there are, but for those that only quantize."""


@dataclass(frozen=True)
class Extremes:
    """The smallest and the largest value of each point, for each image."""

    low: Matrix
    """float32 (images, points)."""
    high: Matrix
