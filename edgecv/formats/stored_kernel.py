"""A kernel as a file stores it."""

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray


@dataclass(frozen=True)
class StoredKernel:
    """The weights of one layer as a file stores them, and the quantization of its output."""

    weights: NDArray[Any]
    scales: tuple[float, ...] = ()
    output_scale: float | None = None
    output_zero_point: int | None = None
