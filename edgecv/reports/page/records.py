"""Records of a page, as its templates draw them."""

from dataclasses import dataclass

from edgecv.core.report import Outcome
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
class Plot:
    """A scatter plot of files."""

    title: str
    x: PlotAxis
    y: PlotAxis
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
class Curve:
    """One line of a plot."""

    label: str
    points: tuple[tuple[float, float], ...]
    """Epoch and value."""


@dataclass(frozen=True)
class CurvePlot:
    """Values of a training by epoch."""

    title: str
    x: PlotAxis
    y: PlotAxis
    curves: tuple[Curve, ...]


@dataclass(frozen=True)
class ChangePart:
    """One candidate against the baseline, image by image."""

    label: str
    lines: tuple[str, ...]
    details: tuple[str, ...]
    table: TextTable | None
    bars: tuple[tuple[str, float], ...]
    bars_most: float
    bars_title: str


@dataclass(frozen=True)
class HeadPart:
    """One head of the model; of most models, all."""

    name: str
    caption: str
    table: RunTable
    originals: tuple[bool, ...]
    plots: tuple[Plot, ...]
    changes: tuple[ChangePart, ...]
    method: str


@dataclass(frozen=True)
class Cell:
    """One cell of a confusion matrix."""

    row: int
    column: int
    images: int
    share: float
    """The fraction of the images of the class."""
    text: str
    """The cell as a sentence."""


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
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class ComparedFiles:
    """Files of one metric, of one or several runs."""

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    plots: tuple[Plot, ...]
    runs: tuple[str, ...]
    """Names of the runs, in the order of their colours."""


@dataclass(frozen=True)
class ComparedRun:
    """One run of several."""

    name: str
    outcome: Outcome
    verdict: str
    open_gates: tuple[tuple[Outcome, str], ...]
    notes: tuple[str, ...]
    recipe: str
