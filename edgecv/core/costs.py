"""Costs of models as their graphs give them, and of exports that are made to measure them."""

from dataclasses import dataclass


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
    """0, as the speed-up, for a technique that chooses by no times: they are not measured."""
    speedup: float
    """Speed-up over the baseline's float32 twin in the same format, timed alternately."""
    arena_bytes: int | None = None
    """Memory of the file as plain C; None where it cannot be written in C."""
    peak: str = ""
    """The operator during which most of that memory is needed."""
