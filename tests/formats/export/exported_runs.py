"""Runs exported files in the runtimes of their formats."""

from collections.abc import Callable
from pathlib import Path

import tiny_models

from edgecv.core.artifact import Artifact, SessionFacts
from edgecv.core.data import Outputs
from edgecv.core.registry import RUNTIMES
from edgecv.system.isolation import ModelClient

Export = Callable[[str, str, str], tuple[Path, Artifact]]
"""Network, format, precision -> file and its facts."""


class Runtimes:
    """One worker for each format."""

    def __init__(self) -> None:
        self._workers: dict[str, ModelClient] = {}

    def worker(self, path: Path) -> ModelClient:
        suffix = path.suffix
        if suffix not in self._workers:
            (name,) = [name for name, cls in RUNTIMES.classes.items() if suffix in cls.suffixes]
            self._workers[suffix] = ModelClient(name, threads=1)
        return self._workers[suffix]

    def open(self, path: Path) -> SessionFacts:
        return self.worker(path).open(path)

    def predict(self, path: Path, count: int = 200) -> Outputs:
        return self.worker(path).predict(path, tiny_models.images(count, seed=1))

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()
