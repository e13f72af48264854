"""The records of a diagnosis."""

from dataclasses import dataclass, field
from typing import Literal

from edgecv.core.display import Displayed

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """A cause of a slow or wrong file, or a note."""

    name: str
    """A stable identifier, such as float-island."""
    severity: Severity
    where: str
    observed: str
    remedy: str = ""
    """The remedy; as a line of a recipe where a recipe can do it."""


@dataclass(frozen=True)
class LayerError:
    """The error of one operator's output against the baseline's, on real images."""

    name: str
    layer: str
    """The Keras layer's name; empty where it is not known."""
    sqnr_db: float
    """Power of the signal over power of the error, of the operator's output."""
    inputs_db: float
    """The worst ratio among its inputs."""
    gain: float
    """The factor that best maps the baseline's values to its own: 1 if the scale is right."""
    infinite: int = 0
    """Count of its numbers that are infinite or none, where the baseline's are finite."""
    numbers: int = 0
    """Count of its numbers that were compared."""

    @property
    def drop_db(self) -> float:
        """The loss from its inputs to its output, in dB."""
        return self.inputs_db - self.sqnr_db


@dataclass(frozen=True)
class OperatorTime:
    """The median time of one operator in one run, by the profiler of its runtime."""

    name: str
    type: str
    microseconds: float


@dataclass(frozen=True)
class KernelCell:
    """One file under some kernels."""

    path: str
    kernels: str
    images: int
    """The number of images that were run: slow kernels get fewer."""
    failure: str = ""


@dataclass(frozen=True)
class KernelParity:
    """Files of one model under several kernels, each compared with each.

    Both matrices are (cells, cells), with None if one of the two gave no answers.
    """

    cells: tuple[KernelCell, ...]
    agreement: tuple[tuple[float | None, ...], ...]
    """Fraction of the images with the same answer."""
    largest_difference: tuple[tuple[float | None, ...], ...]
    heads: tuple[tuple[str, tuple[tuple[float | None, ...], ...]], ...] = ()
    """Each head of a model that has several, with the same fractions of its answers."""


@dataclass(frozen=True)
class Fix:
    """The file of a recipe that applies a remedy, compared with the file as it was."""

    recipe: str
    """The path of the recipe."""
    finding: str
    """The finding that the recipe fixes."""
    agreement_before: float
    """Fraction of the test images with the baseline's answer."""
    agreement_after: float
    metric: str
    """The headline metric of the task."""
    value_before: float | None
    """None where the images have no labels."""
    value_after: float | None
    is_fraction: bool
    """True if values of the metric are shown as percentages."""
    time_ratio: float | None
    """Time after over time before; None where one of both could not be timed."""
    speed: str
    """faster, slower, not distinguishable, or not known."""

    @property
    def helps(self) -> bool:
        """True if agreement rose, or if it is equal and the file is faster."""
        gained = self.agreement_after - self.agreement_before
        return gained > 0 or (gained == 0 and self.speed == "faster")


@dataclass(frozen=True)
class Diagnosis(Displayed):
    """All findings on one file, worst first."""

    path: str
    findings: tuple[Finding, ...]
    layers: tuple[LayerError, ...] = ()
    """In the file's order; empty without a baseline and data."""
    parity: KernelParity | None = None
    """None without data."""
    schema_version: int = field(default=1)
    fix: Fix | None = None
    """The result of the remedy, if it was run."""
    operators: tuple[OperatorTime, ...] = ()
    """The slowest first; empty where the runtime has no profiler for Python: LiteRT."""


def worst_first(findings: list[Finding]) -> tuple[Finding, ...]:
    """Return findings by severity, in the order they were found."""
    return tuple(sorted(findings, key=lambda each: SEVERITIES.index(each.severity)))
