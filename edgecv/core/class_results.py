"""The answers of one model by class, on the test split: frozen records."""

from dataclasses import dataclass


@dataclass(frozen=True)
class ClassResult:
    """One class: ``label`` is its place among the classes of the data."""

    label: int
    images: int
    """Test images of the class; of maps pixels, of boxes the true ones."""
    answers: int
    """Test images that the model calls so; of maps pixels, of boxes those that it gives."""
    right: int
    score: float | None = None
    """The metric of the class where its task has one; None without an image of the class."""

    @property
    def precision(self) -> float | None:
        """The fraction of the answers that are right; None where there are none."""
        return self.right / self.answers if self.answers else None

    @property
    def sensitivity(self) -> float | None:
        """The recall: the fraction of the class's images that are found; None where it has none."""
        return self.right / self.images if self.images else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None where neither is known."""
        either = self.images + self.answers
        return 2 * self.right / either if either else None


@dataclass(frozen=True)
class ConfusionCell:
    """One cell of the confusion matrix: images of class ``label`` called ``answer``."""

    label: int
    answer: int
    images: int


@dataclass(frozen=True)
class ReliabilityBin:
    """Images whose confidence lies in one of the bins of equal width: mean, and fraction right."""

    confidence: float
    accuracy: float
    images: int


@dataclass(frozen=True)
class ClassResults:
    """The answers of a model by class: of a classifier, or of each label, pixel or box."""

    classes: tuple[ClassResult, ...]
    confusion: tuple[ConfusionCell, ...]
    """Wrong answers, the most frequent first; of many classes only the first cells."""
    wrong_cells: int | None
    """Number of cells with wrong answers, of which ``confusion`` may hold a part; None where an
    answer is not one class in place of another."""
    calibration_error: float | None = None
    """Expected calibration error: see ``calibration_error``; of classifiers alone."""
    reliability: tuple[ReliabilityBin, ...] = ()
    """Bins with images, by confidence."""
    metric: str = ""
    """The name of the score of a class: AP, IoU; empty where it has none."""
    unit: str = "images"
    """Noun of the things counted: images, pixels or boxes."""


@dataclass(frozen=True)
class ModelResults:
    """The results of one model of a run, for one of its heads."""

    path: str
    """The file, as in the comparisons; of the original that of the baseline."""
    head: str
    """The head, as in ``Comparison``."""
    results: ClassResults
    worst: tuple[int, ...] = ()
    """Test images that it is most wrong about, the worst first."""
