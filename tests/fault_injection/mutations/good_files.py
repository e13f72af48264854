"""A good model with its files, to plant faults in."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rebuilding import export

from edgecv.core.data import Dataset


@dataclass(frozen=True)
class Good:
    """A model, the data that it was trained on, and a folder with its files of both formats."""

    model: Any
    data: Dataset
    source: str
    folder: Path
    baseline: Path
    layers: int = 5

    def bytes(self, name: str) -> bytes:
        return (self.folder / name).read_bytes()

    def copy_of_int8(self, file_format: str, folder: Path) -> Path:
        """Copy the good int8 file of a format into ``folder``, and return its path."""
        path = folder / f"good.{file_format}"
        path.write_bytes(self.bytes(f"int8.{file_format}"))
        return path


def make_good(model: Any, data: Dataset, source: str, folder: Path, baseline: Path) -> Good:
    """Write the int8 and float32 files of a model, as a run does."""
    for file_format in ("tflite", "onnx"):
        for precision in ("float32", "int8"):
            export(
                model,
                data.calibration.images[:200],
                folder / f"{precision}.{file_format}",
                precision,
            )
    return Good(model, data, source, folder, baseline)
