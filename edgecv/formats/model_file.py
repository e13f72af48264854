"""A model on disk: where it lies, what identifies it, and what it may contain."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from edgecv.formats.lookup import importer_of
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.system.storage import tree_sha256


@dataclass(frozen=True)
class ModelFile:
    """A model file or folder, as every step passes it on. Two of the same ``sha256`` are equal."""

    path: Path
    sha256: str
    """Of the file, or of all files of the folder; for a file that edgecv has made of another, it
    may be the key of what it was made from."""
    trust: Trust = NO_TRUST
    """What may be in it beside standard layers: as in the user's own, where it was made of that."""

    @classmethod
    def at(cls, path: Path, trust: Trust = NO_TRUST) -> Self:
        """Return the model at ``path``, with its hash as it is now."""
        return cls(path, tree_sha256(path), trust)

    def load(self) -> Any:
        """Return the tf-keras model."""
        return importer_of(self.path).load(self.path, self.trust)
