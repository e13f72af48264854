"""The contract of an importer."""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins.plugin import Plugin

if TYPE_CHECKING:
    from edgecv.formats.trust import Trust


class Importer(Plugin):
    """Reads a model file of a user."""

    suffixes: ClassVar[tuple[str, ...]]
    """Usual suffixes of its files; the format is recognized by the content."""
    has_layers: ClassVar[bool] = True
    """True if its models have Keras layers; others can be converted, but not trained."""

    needs_tensorflow: ClassVar[bool] = True
    """False for a format whose models are converted without TensorFlow."""
    only_formats: ClassVar[tuple[str, ...]] = ()
    """The formats that its models can be exported to; empty for all."""

    @classmethod
    @abstractmethod
    def reads(cls, path: Path) -> bool:
        """Return True if this importer reads ``path``: a quick check of its content."""

    def check_trust(self, path: Path, trust: "Trust") -> None:
        """Raise InputError where the file can only be loaded with more trust."""
        return

    @abstractmethod
    def load(self, path: Path, trust: "Trust") -> KerasModel:
        """Return a tf-keras model. Raises InputError where the file is not one, or not safe.

        ``trust``: allowed content besides standard layers.
        """

    def load_with_notes(self, path: Path, trust: "Trust") -> tuple[KerasModel, tuple[str, ...]]:
        """Return the model, and notes on its conversion for the report."""
        return self.load(path, trust), ()

    def keeps_its_format(self, path: Path) -> bool:
        """Return True if the file itself is of the format that edgecv writes."""
        return True
