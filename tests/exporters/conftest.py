"""Every export of the small networks, made once, and workers that run them."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny_models

from edgecv.records import Artifact, Predictions, SessionFacts
from edgecv.registry import EXPORTERS, RUNTIMES
from edgecv.worker import Worker

Export = Callable[[str, str, str], tuple[Path, Artifact]]


@pytest.fixture(scope="session")
def network() -> Callable[[str], Any]:
    """Return a function: name -> model, built once."""
    return cache(lambda name: tiny_models.MODELS[name]())


@pytest.fixture(scope="session")
def export(network: Callable[[str], Any], tmp_path_factory: pytest.TempPathFactory) -> Export:
    """Return a function: network, format, precision -> file and its facts, made once."""
    folder = tmp_path_factory.mktemp("exported")

    @cache
    def make(name: str, file_format: str, precision: str) -> tuple[Path, Artifact]:
        path = folder / f"{name}-{precision}.{file_format}"
        exporter = EXPORTERS.get(file_format, "test")(precision=precision)
        return path, exporter.export(network(name), tiny_models.images(100), path)

    return make


class Runtimes:
    """One worker for each format."""

    def __init__(self) -> None:
        self._workers: dict[str, Worker] = {}

    def worker(self, path: Path) -> Worker:
        suffix = path.suffix
        if suffix not in self._workers:
            (name,) = [name for name, cls in RUNTIMES.classes.items() if suffix in cls.suffixes]
            self._workers[suffix] = Worker(name, threads=1)
        return self._workers[suffix]

    def open(self, path: Path) -> SessionFacts:
        return self.worker(path).open(path)

    def predict(self, path: Path, count: int = 200) -> Predictions:
        return self.worker(path).predict(path, tiny_models.images(count, seed=1))

    def close(self) -> None:
        for worker in self._workers.values():
            worker.close()


@pytest.fixture(scope="session")
def runtimes() -> Iterator[Runtimes]:
    """Return what runs exported files."""
    opened = Runtimes()
    yield opened
    opened.close()
