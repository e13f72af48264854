"""What several tests need: a cache of their own, a small trained baseline, a run, real images."""

import gc
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.util import cache_from_source
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock
from hypothesis import settings
from paths import SHARED
from warm_children import WarmSubprocess, measure_quickly

import edgecv

if TYPE_CHECKING:
    from edgecv.core.report import Report
    from edgecv.pipeline.conversion import Converter


MOST_WORKERS = 4
"""Each of them loads TensorFlow, and starts children that do."""
QUICK = "quick and not slow"
LONG = ("end_to_end", "fault_injection")
"""Folders of the longest tests."""


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Return how many processes share the tests: one for what prints, is timed or debugged."""
    alone = config.getoption("capture") == "no" or config.getoption("usepdb")
    is_benchmark = "benchmark" in config.getoption("markexpr").replace("not benchmark", "")
    return 0 if alone or is_benchmark else min(MOST_WORKERS, os.cpu_count() or 1)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Import no file without a quick test for ``-m quick``: that takes seconds."""
    is_file = collection_path.match("test_*.py") and collection_path.is_file()
    if config.getoption("markexpr") == QUICK and is_file:
        return "quick" not in collection_path.read_text("utf-8") or None
    return None


def pytest_configure(config: pytest.Config) -> None:
    """Leave slow tests out of ``-m quick``; let no property fail because the machine is busy."""
    if config.getoption("markexpr") == "quick":
        config.option.markexpr = QUICK
    settings.register_profile("busy", deadline=None)
    settings.load_profile("busy")
    keep_bytecode(config)


def keep_bytecode(config: pytest.Config) -> None:
    """Keep what Python compiles in pytest's cache folder, where it is asked to keep it nowhere.

    A hundred processes of a session import the package, and twenty of them TensorFlow: half of that
    time goes into compiling. An installer that has compiled the package has compiled all of these.
    """
    is_compiled = Path(cache_from_source(edgecv.__file__)).exists()
    if sys.dont_write_bytecode and not is_compiled and (cache := getattr(config, "cache", None)):
        sys.dont_write_bytecode = False
        sys.pycache_prefix = os.environ["PYTHONPYCACHEPREFIX"] = str(cache.mkdir("bytecode"))
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run the longest tests first: what one process takes from another at the end is short then."""
    items.sort(key=lambda item: not set(LONG) & set(item.path.parts))


def pytest_collection() -> None:
    """Collect no garbage among the tests: all of them stay."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Let no later collection of garbage look at the tests."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure() -> None:
    """Look for no more garbage: pytest would go through all of TensorFlow five times more."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keep the user's cache out of the tests, and the tests out of the user's cache."""
    before = os.environ.get("EDGECV_CACHE_DIR")
    os.environ["EDGECV_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))
    yield
    if before is None:
        del os.environ["EDGECV_CACHE_DIR"]
    else:
        os.environ["EDGECV_CACHE_DIR"] = before


@pytest.fixture(scope="session", autouse=True)
def _unflushed_files() -> Iterator[None]:
    """Wait for no disk after a write: no test cuts the power, and a search writes hundreds."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture(scope="session", autouse=True)
def quick_measuring() -> Iterator[None]:
    """Time each file for a moment, in the child that has predicted.

    What is run in a process of its own, as users run it, is measured as theirs.
    """
    from edgecv.analysis.bench import rounds
    from edgecv.analysis.doctor import slow_files
    from edgecv.pipeline import measure, timed_files, trial_export

    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "SECONDS_A_FILE": 0.05,
            "PROCESSES": 2,
            "LOOK_S": 0.01,
        }.items():
            patch.setattr(timed_files, name, value)
        patch.setattr(measure, "CORES", 1)
        patch.setattr(rounds, "LOOK_S", 0.01)
        patch.setattr(slow_files, "TIMING", slow_files.TIMING.model_copy(update={"budget": 0.3}))
        patch.setattr(trial_export, "SECONDS_A_TRIAL", 0.05)
        measure_quickly()
        yield


@pytest.fixture(scope="session", autouse=True)
def blank_pictures() -> Iterator[Callable[[Any], bytes]]:
    """Make figures of matplotlib, and write blank pictures; return what draws them."""
    from PIL import Image

    from edgecv.reports import png

    blank = io.BytesIO()
    Image.new("L", (1, 1)).save(blank, "png")
    with pytest.MonkeyPatch.context() as patch:
        draw = png.drawn
        patch.setattr(png, "LAYOUT", "none")
        patch.setattr(png, "drawn", lambda figure: blank.getvalue())
        yield draw


@pytest.fixture
def drawn_pictures(blank_pictures: Callable[[Any], bytes], monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw the pictures of matplotlib."""
    monkeypatch.setattr("edgecv.reports.png.drawn", blank_pictures)


@pytest.fixture(scope="session", autouse=True)
def patient_child() -> Iterator[None]:
    """Let the child with TensorFlow wait for the next test that needs it, however long."""
    from edgecv.pipeline.conversion import process_pool

    before, process_pool.IDLE_S = process_pool.IDLE_S, 3600.0
    yield
    process_pool.IDLE_S = before


@pytest.fixture(scope="session", autouse=True)
def warm_children() -> Iterator[None]:
    """Fork the children from a process that has made their imports."""
    from edgecv.system.isolation import process

    warm = WarmSubprocess(process.PROGRAM)
    process.subprocess = warm  # type: ignore[attr-defined]
    yield
    process.subprocess = subprocess  # type: ignore[attr-defined]
    warm.close()


@pytest.fixture
def fresh_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start each child as users do."""
    monkeypatch.setattr("edgecv.system.isolation.process.subprocess", subprocess)


@pytest.fixture(scope="session")
def cifar_zip() -> Path:
    """Return the CIFAR-10 (JPEG copy) archive that lies beside the project, or skip."""
    path = SHARED / "data" / "cifar10-images.zip"
    if not path.exists():
        pytest.skip(f"needs {path}, which is not part of the project")
    return path


@pytest.fixture(scope="session")
def once(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str, Callable[[Path], object]], Path]:
    """Return what gives a folder that was filled once for all processes of this session: copy it.

    It is called with a name, and with what fills a folder that does not exist.
    """
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root

    def folder(name: str, fill: Callable[[Path], object]) -> Path:
        path = root / f"once-{name}"
        with FileLock(f"{path}.lock"):
            if not path.exists():
                draft = root / f"once-{name}.draft"
                fill(draft)
                draft.rename(path)
        return path

    return folder


@pytest.fixture(scope="session")
def output(
    once: Callable[[str, Callable[[Path], object]], Path],
    blank_pictures: Callable[[Any], bytes],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """Return an output folder with a baseline on digits, trained for three epochs, and a run.

    Its pictures are drawn.
    """
    from edgecv.pipeline.recipe.from_flags import CompressOptions
    from edgecv.pipeline.run import run
    from edgecv.system.storage import Store

    recipe = CompressOptions(data="digits", epochs=3, name="main", max_drop=5.0).to_recipe()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("edgecv.reports.png.drawn", blank_pictures)
        made = once("output", lambda draft: run(recipe, Store(draft)))
    return Path(shutil.copytree(made, tmp_path_factory.mktemp("output") / "exported"))


@pytest.fixture(scope="session")
def main_report(output: Path) -> "Report":
    """Return the report of a run of both formats, in ``main`` of the output folder: look only."""
    from edgecv.reports.json_file import read_report

    return read_report(output / "main")


@pytest.fixture
def converter() -> Iterator["Converter"]:
    """Return a converter: its child is kept from one test to the next."""
    from edgecv.pipeline.conversion import open_converter

    with open_converter() as made:
        yield made


@pytest.fixture(scope="module")
def marks_registered() -> Iterator[None]:
    """Let the registry know the images of ``marks`` for the tests of one file."""
    from marks import Marks

    from edgecv.core.registry import DATASETS

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(vars(DATASETS), "classes", {**DATASETS.classes, Marks.name: Marks})
        yield
