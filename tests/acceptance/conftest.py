"""A small run on digits, measured once, and the lock that accepts it."""

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from accepted_runs import Accepted, commit

from edgecv.acceptance.gate import MeasuredRun, accept
from edgecv.acceptance.lock_file import read_lock
from edgecv.analysis.options import ValidateOptions
from edgecv.analysis.validate import validate
from edgecv.core.report import Report
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.context import open_analysis
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.system.storage import Store, seal


def timed_quietly(report: Report) -> Report:
    """Return a report with the narrow intervals of a quiet machine: here a file has a moment."""
    narrow = tuple(
        each
        if each.speedup is None
        else replace(each, speedup_interval=(each.speedup * 0.99, each.speedup * 1.01))
        for each in report.comparisons
    )
    return replace(report, comparisons=narrow)


@pytest.fixture(scope="session")
def accepted(output: Path, tmp_path_factory: pytest.TempPathFactory) -> Accepted:
    recipe = CompressOptions(
        data="digits", epochs=3, formats=("tflite",), name="gated", max_drop=50.0
    )
    run(recipe.to_recipe(), Store(output))
    request = ValidateOptions(paths=(output / "gated",)).request()
    with open_analysis(request.settings) as context:
        report, measured = validate(request, context)
    report = timed_quietly(report)
    folder = tmp_path_factory.mktemp("checkout")
    commit(folder)
    path = folder / "edgecv.lock"
    found = MeasuredRun("gated", report, measured)
    judgement = accept(found, None, Limits(max_drop_points=50.0), path)
    return Accepted(output / "gated", report, measured, judgement, read_lock(path), path)


@pytest.fixture
def changed_run(accepted: Accepted, tmp_path: Path) -> Callable[[dict[str, bytes]], Path]:
    """Return what makes a copy of the run with other files in it, sealed as if it were honest."""

    def make(files: dict[str, bytes]) -> Path:
        folder = tmp_path / "gated"
        shutil.copytree(accepted.folder, folder)
        for name, content in files.items():
            (folder / name).write_bytes(content)
        seal(folder)
        return folder

    return make


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a sealed folder of three files."""
    store = Store(tmp_path / "exported")
    place = store.run_folder("main")
    with store.writing(place) as draft:
        (draft / "int8.tflite").write_bytes(bytes(range(64)))
        (draft / "labels.txt").write_text("cat\ndog\n")
        (draft / "log.txt").write_text("")
    return place
