"""The contract of a data set."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field

from edgecv.core.options import as_text
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.records import Dataset, Shape

Progress = Callable[[int, int], None]
"""Called with how many are done, of how many."""


class DatasetSource(Plugin):
    """A place that labelled images come from."""

    mirrors: ClassVar[bool] = True
    """Whether an image mirrored left to right is still of its class: not so for writing."""
    has_labels: ClassVar[bool] = True
    """Whether the classes of the images are known: else nothing can be trained or judged."""

    validation: float = Field(default=0.05, gt=0, lt=0.5)
    """Fraction of the training images set apart to choose with."""

    @classmethod
    @abstractmethod
    def accepts(cls, path: Path) -> bool:
        """Tell, quickly, whether this source reads what is at ``path``."""

    @classmethod
    @abstractmethod
    def at(cls, path: Path, *, skip_bad_images: bool = False) -> Self:
        """Make the source that reads ``path``."""

    def most_calibration_images(self) -> int | None:
        """Return the most images that can calibrate, without reading one: before anything slow.

        None where it takes reading to tell. Raises InputError where the data is seen to be wrong.
        """
        return None

    @abstractmethod
    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Read, decode and split: uint8 images of ``shape``, int labels, class names.

        The four splits share no image. Raises InputError with the place and the remedy.
        """


Data = Annotated[str | DatasetSource, BeforeValidator(as_text)]
"""The name or path of a data set; in Python also a source itself, such as arrays in memory."""
