"""A place where that format runs: a folder with the file alone."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.plugins import DeployContext, DeployedFile, DeviceFacts, Target
from toy_plugins.dense_runtime import DenseRuntime


class DenseDevice:
    """The file in its folder."""

    def __init__(self, path: Path) -> None:
        self._session = DenseRuntime().open(path, 1)
        self.facts = DeviceFacts("numpy", memory_bytes=path.stat().st_size)

    def predict(self, images: Images) -> Outputs:
        """Run all images."""
        return self._session.predict(images)

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        """Return None: nothing is timed."""
        return None


class DenseFolder(Target):
    """A folder with a .dense file, which numpy runs."""

    name: ClassVar[str] = "dense_folder"
    formats: ClassVar[tuple[str, ...]] = ("dense",)

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Copy the file."""
        shutil.copyfile(file.path, folder / "model.dense")

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[DenseDevice]:
        """Open the copy."""
        yield DenseDevice(folder / "model.dense")
