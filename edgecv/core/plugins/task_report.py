"""The part of a task for its texts and pictures in reports."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar

from edgecv.core.class_results import ClassResults
from edgecv.core.data import Dataset, Images, Outputs, Targets
from edgecv.core.paired_results import PairedStatistics
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.plugins.task_parts import Terms
from edgecv.core.text import TextTable


class ReportedTask(Plugin):
    """The terms of a task, and how answers and their differences are written and drawn."""

    has_binary_scores: ClassVar[bool] = False
    """True if the score of an image is 1 (right) or 0 (wrong), and the headline their mean; others
    are compared by ``resampled``."""
    judges_order: ClassVar[bool] = False
    """True if the headline goes by the order of numbers, which moves it where no score of an image
    changes: each image with other outputs may do so."""
    terms: ClassVar[Terms] = Terms()
    hub_name: ClassVar[str] = ""
    """The name of the task on hubs of models, for model cards; empty where they have none."""

    def score_text(self, value: float) -> str:
        """Write a mean score."""
        return f"{value:.1%}" if self.has_binary_scores else f"{value:.4g}"

    def summary(self, statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
        """Return parts of the summary line of an artifact. ``names`` of the data's classes."""
        return []

    def details(self, statistics: PairedStatistics, names: Sequence[str]) -> list[str]:
        """Return details of an artifact for the report."""
        return []

    def table(self, statistics: PairedStatistics, names: Sequence[str]) -> TextTable | None:
        """Return a table of an artifact for the report."""
        return None

    def class_results(
        self, outputs: Outputs, targets: Targets, classes: int
    ) -> ClassResults | None:
        """Return the answers of one model by class, of so many; None where no answer is a class."""
        return None

    def worst(self, outputs: Outputs, targets: Targets, most: int) -> tuple[int, ...]:
        """Return the images that a model is most wrong about, the worst first.

        Of a task whose answers are classes.
        """
        return ()

    method: ClassVar[str] = ""
    """Description of how ``summary`` and ``table`` are computed."""

    @abstractmethod
    def captions(
        self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int
    ) -> tuple[str, ...]:
        """Return the lines below a test image whose answer changed: before, and after."""

    def answer_text(self, outputs: Outputs, names: Sequence[str], place: int) -> str:
        """Return the answer for one image in a line: the range of each output.

        ``names`` of the classes or numbers; there may be fewer than outputs, or none.
        """
        return "; ".join(
            f"{name} {list(each.shape[1:])}: {each[place].min():.4g} to {each[place].max():.4g}"
            for name, each in outputs.arrays.items()
        )

    def picture(self, outputs: Outputs, baseline: Outputs, data: Dataset, place: int) -> Images:
        """Return the picture of a test image: uint8 (H, W, 1 or 3), 0..255."""
        image: Images = data.test.images[place]
        return image

    def truth(self, data: Dataset, place: int) -> str:
        """Write the label of a test image."""
        return str(data.test.labels[place])
