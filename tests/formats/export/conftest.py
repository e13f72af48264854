"""Every export of the small networks, made once, and workers that run them."""

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import tiny_models
from exported_runs import Export, Runtimes

from edgecv.core.artifact import Artifact
from edgecv.core.registry import EXPORTERS


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


@pytest.fixture(scope="session")
def runtimes() -> Iterator[Runtimes]:
    """Return what runs exported files."""
    opened = Runtimes()
    yield opened
    opened.close()
