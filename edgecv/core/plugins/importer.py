"""The contract of an importer."""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins.plugin import Plugin

if TYPE_CHECKING:
    from edgecv.formats.trust import Trust


class Importer(Plugin):
    """Reads a model file that people arrive with."""

    suffixes: ClassVar[tuple[str, ...]]
    """How its files are usually called; what they are is told by their content."""
    has_layers: ClassVar[bool] = True
    """Whether its models are made of layers: others can be converted, but not trained."""

    needs_tensorflow: ClassVar[bool] = True
    """False for a format whose models are converted without TensorFlow."""
    only_formats: ClassVar[tuple[str, ...]] = ()
    """The formats that its models can be exported to; empty for all."""

    @classmethod
    @abstractmethod
    def reads(cls, path: Path) -> bool:
        """Tell, quickly and by its content, whether this importer reads what is at ``path``."""

    def check_trust(self, path: Path, trust: "Trust") -> None:
        """Raise InputError where such files are never loaded with so little trust."""
        return

    @abstractmethod
    def load(self, path: Path, trust: "Trust") -> KerasModel:
        """Return a tf-keras model. Raises InputError where the file is not one, or not safe.

        ``trust``: what may be in it beside standard layers.
        """

    def load_with_notes(self, path: Path, trust: "Trust") -> tuple[KerasModel, tuple[str, ...]]:
        """Return the model and sentences on how it came in, for the report."""
        return self.load(path, trust), ()

    def keeps_its_format(self, path: Path) -> bool:
        """Tell whether the file itself is of the format that edgecv writes."""
        return True
