"""ONNX models in the form that ``adapt`` gives them: read without TensorFlow."""

from pathlib import Path
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.core.plugins import Importer
from edgecv.core.text import first_line
from edgecv.formats.onnx.adapt import OnnxNetwork
from edgecv.formats.trust import NO_TRUST, Trust


class OnnxFile(Importer):
    """ONNX models that were adapted: to quantize and convert, not to train."""

    name: ClassVar[str] = "onnx"
    suffixes: ClassVar[tuple[str, ...]] = (".onnx",)
    has_layers: ClassVar[bool] = False
    needs_tensorflow: ClassVar[bool] = False
    only_formats: ClassVar[tuple[str, ...]] = ("onnx",)

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Return True for a file with the suffix of ONNX, which has no first bytes of its own."""
        return path.suffix.lower() in cls.suffixes and path.is_file()

    def load(self, path: Path, trust: Trust = NO_TRUST) -> OnnxNetwork:
        """Return the network. Raises InputError if the file is damaged."""
        from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

        try:
            return OnnxNetwork.at(path)
        except (DecodeError, IndexError, ValueError) as error:
            found = f"is a damaged ONNX file: {first_line(error)}"
            raise InputError(str(path), found, remedy="convert it again") from None
