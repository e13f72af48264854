"""A model on disk: its path, its hash, and the trust in its content."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.keras_types import KerasModel
from edgecv.formats.lookup import importer_of
from edgecv.formats.onnx.external_data import files_beside
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.system.storage import content_key, file_sha256, tree_sha256


def model_sha256(path: Path) -> str:
    """Return the hash of a model's file or folder, with that of the weights beside an ONNX file."""
    sha256 = tree_sha256(path)
    beside = [file_sha256(each) for each in files_beside(path)]
    return content_key(sha256, *beside) if beside else sha256


@dataclass(frozen=True)
class ModelFile:
    """A model file or folder, as every step passes it on. ``sha256`` identifies its content."""

    path: Path
    sha256: str
    """The hash of the file, or of all files of the folder, and of the user's own code that it
    needs. For a file that edgecv has made from another, it may be the key of that source."""
    trust: Trust = NO_TRUST
    """The content that is allowed beside standard layers; a derived file has its source's."""
    input_spec: InputSpec = DEFAULT_INPUT
    """The layout and size of its images, where the file leaves them open."""

    @classmethod
    def at(cls, path: Path, trust: Trust = NO_TRUST, input_spec: InputSpec = DEFAULT_INPUT) -> Self:
        """Return the model at ``path``, with its hash as it is now."""
        sha256, code = tree_sha256(path), trust.code_sha256()
        return cls(path, content_key(sha256, code) if code else sha256, trust, input_spec)

    def load(self) -> KerasModel:
        """Return the model. Raises InputError if it is unusable."""
        return importer_of(self.path).load(self.path, self.trust)
