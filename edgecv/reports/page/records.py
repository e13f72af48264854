"""Records of a page, as its templates draw them."""

from collections.abc import Mapping
from dataclasses import dataclass

from edgecv.core.report import Outcome, Report
from edgecv.core.text import TextTable
from edgecv.reports.run_table import RunTable


@dataclass(frozen=True)
class PlotAxis:
    """One axis: its text, its range, and the pixels of both ends."""

    title: str
    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


@dataclass(frozen=True)
class Mark:
    """One file in a plot."""

    label: str
    text: str
    """All that is known of it: shown when it is pointed at."""
    x: float
    y: float
    interval: tuple[float, float] | None
    is_twin: bool
    series: int
    """The number of its colour: of its run, or of its file where there is one run."""
    label_x: float = 0
    label_y: float = 0
    is_left: bool = False
    """True where the label stands left of the mark."""


@dataclass(frozen=True)
class PlotFrame:
    """The title and the axes of a plot."""

    title: str
    x: PlotAxis
    y: PlotAxis


@dataclass(frozen=True)
class Plot(PlotFrame):
    """A scatter plot of files."""

    marks: tuple[Mark, ...]
    has_reference: bool
    """True where 0 is the baseline."""
    limit: float | None
    """The least that a limit allows, where all files have one."""


@dataclass(frozen=True)
class TimePlot:
    """The times of runs of each file: 5th, 25th, 50th, 75th and 95th percentile."""

    x: PlotAxis
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    longest: float
    """The time that lines are drawn to; longer ones are cut, and say so."""


@dataclass(frozen=True)
class CurvePlot(PlotFrame):
    """Values of a training by epoch."""

    curves: Mapping[str, tuple[tuple[float, float], ...]]
    """Epoch and value of the points of each line, by its name."""


@dataclass(frozen=True)
class ChangePart:
    """One candidate against the baseline, image by image."""

    label: str
    lines: tuple[str, ...]
    details: tuple[str, ...]
    table: TextTable | None
    bars: tuple[tuple[str, float], ...]
    """Points of each class against the baseline."""


@dataclass(frozen=True)
class HeadPart:
    """One head of the model; of most models, all."""

    table: RunTable
    caption: str
    plots: tuple[Plot, ...]
    changes: tuple[ChangePart, ...]
    method: str


@dataclass(frozen=True)
class ClassPart:
    """The answers of one model by class."""

    label: str
    table: TextTable
    names: tuple[str, ...]
    """The classes of the matrix: all, or those with most wrong answers; none where there is no
    matrix."""
    unit: str
    """Noun of the things counted: images or pixels."""
    is_part: bool
    """True if the matrix has not all classes."""
    left_out: str
    """The wrong answers that the report does not hold; empty where it holds all."""
    counts: tuple[tuple[int, ...], ...]
    """Counts of each answer (column) of each class (row)."""
    images: tuple[int, ...]
    """All images of each of these classes, those with an answer of no column too."""


@dataclass(frozen=True)
class ComparedFiles:
    """Files of one metric, of one or several runs."""

    title: str
    table: TextTable
    plots: tuple[Plot, ...]
    runs: tuple[str, ...]
    """Names of the runs, in the order of their colours."""


@dataclass(frozen=True)
class ComparedRun:
    """One run of several."""

    report: Report
    verdict: str
    open_gates: tuple[tuple[Outcome, str], ...]
    recipe: str
