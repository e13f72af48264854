"""The base class of data sets that come with edgecv: they have no path."""

from pathlib import Path
from typing import ClassVar, Self

from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource


class EmbeddedSource(DatasetSource):
    """A data set by name alone."""

    origin: ClassVar[str]
    """Its origin, as a sentence."""

    @classmethod
    def at(cls, path: Path, *, skip_bad_images: bool = False) -> Self:
        """Raise InputError: it has no path."""
        raise InputError(f"--data {path}", cls.origin, accepted=f"--data {cls.name}")
