"""The contract of a data set."""

from abc import abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import BeforeValidator, Field

from edgecv.core.data import Dataset, Shape
from edgecv.core.options import as_text
from edgecv.core.plugins.plugin import Plugin
from edgecv.core.preprocessing import Preprocessing

Progress = Callable[[int, int], None]
"""Called with the number of finished items and their total."""


class DatasetSource(Plugin):
    """A source of labelled images."""

    mirrors: ClassVar[bool] = True
    """True if an image mirrored left to right keeps its class; False for handwriting."""
    reads_annotations: ClassVar[bool] = False
    """True if it reads targets in files beside the images: it is asked first for a path."""
    has_labels: ClassVar[bool] = True
    """True if the classes of the images are known; training and accuracy need them."""
    has_classes_alone: ClassVar[bool] = False
    """True if its targets are always the class of each image, whatever is in its files."""
    is_real: ClassVar[bool] = True
    """False for images of random values: nothing is calibrated or judged on them."""

    validation: float = Field(default=0.05, gt=0, lt=0.5)
    """Fraction of the training images that is kept for validation."""

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True if this source reads ``path``; a quick check. By default it has no path."""
        return False

    @classmethod
    def at(cls, path: Path, *, skip_bad_images: bool = False) -> Self:
        """Return the source of ``path``. By default it sets the options of these two names."""
        given = {"path": str(path), "skip_bad_images": skip_bad_images}
        return cls.model_validate({key: given[key] for key in given if key in cls.model_fields})

    def most_calibration_images(self) -> int | None:
        """Return the largest number of calibration images, without reading an image.

        None where images must be read to know it. Raises InputError where the data is seen to be
        wrong.
        """
        return None

    def meaning(self) -> Preprocessing | None:
        """Return the numbers that bytes stand for, where the data is known to hold no pixels."""
        return None

    @abstractmethod
    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Read, decode and split: uint8 images of ``shape``, int labels, class names.

        The four splits share no image. Raises InputError with the place and the remedy.
        """


Data = Annotated[str | DatasetSource, BeforeValidator(as_text)]
"""The name or path of a data set; in Python also a source itself, such as arrays in memory."""
