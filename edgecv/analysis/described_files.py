"""Files and their inputs as the run beside them describes them."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgecv.core.artifact import PRECISION_NOT_KNOWN, Artifact
from edgecv.core.errors import InputError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.options import parse_options
from edgecv.core.report import Report
from edgecv.core.text import short_name
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.reports.json_file import read_report
from edgecv.system.storage import MANIFEST, describe, file_sha256

LONGEST_FILE_NAME_BYTES = 255
RETRAINED = ("compressed.keras", "compressed.h5")
"""The float model that the files of a run were exported from, if it was retrained; with
quantizers it is a .h5 file."""


def from_disk(folder: Path, artifact: Artifact) -> MeasuredFile:
    """Return a file of a run with its size and hash on disk, whatever the report says."""
    path = folder / file_name(artifact.path, folder)
    if not path.is_file():
        raise InputError(str(path), "is in report.json but not on disk")
    now = describe(path, format=artifact.format, precision=artifact.precision)
    return MeasuredFile(replace(now, notes=artifact.notes, layers=artifact.layers), path)


def file_name(name: str, folder: Path) -> str:
    """Return the name of a file that the report of a run names. Raises InputError for a path."""
    if (
        Path(name).name != name
        or name in ("", "..")
        or len(name.encode()) > LONGEST_FILE_NAME_BYTES
    ):
        where = str(folder / "report.json")
        raise InputError(where, f'is damaged: "{short_name(name)}" is not a plain file name')
    return name


def report_in(folder: Path) -> Report | None:
    """Return the report of the run in a folder; None if it is no run.

    A run has a manifest too: other programs call their files ``report.json`` as well.
    """
    is_run = all((folder / each).is_file() for each in ("report.json", MANIFEST))
    return read_report(folder) if is_run else None


def single_file(path: Path, asked: InputSpec, report: Report | None) -> MeasuredFile:
    """Return a file that stands alone: one that the run beside it has written describes its input.

    ``report``: of the run in its folder.
    """
    runtime = runtime_of_file(path)
    artifact = describe(path, format=runtime.format, precision=PRECISION_NOT_KNOWN)
    if report is not None:
        same = [each.artifact for each in report.comparisons]
        artifact = next((each for each in same if each.sha256 == artifact.sha256), artifact)
    is_own = artifact.precision != PRECISION_NOT_KNOWN
    input_spec = DEFAULT_INPUT if is_own else described_input(path, asked, report)
    return MeasuredFile(replace(artifact, path=str(path)), path, input_spec)


def is_baseline_of(path: Path, report: Report | None) -> bool:
    """Return True if the report of a run says how this file, its baseline, is read."""
    return report is not None and report.baseline is not None and report.baseline.path == path.name


def described_input(path: Path, asked: InputSpec, report: Report | None) -> InputSpec:
    """Return the input of a file: the baseline of a run by its recipe, others as requested.

    ``report``: of the run in its folder. What a run has trained or exported takes pixels as they
    are.
    """
    if report is None:
        return asked
    runs_on_devices = runtime_of_file(path).runs_on_devices
    if not is_baseline_of(path, report):
        is_own = _is_exported(path, report) if runs_on_devices else path.name in RETRAINED
        return DEFAULT_INPUT if is_own else asked
    if not runs_on_devices:
        return DEFAULT_INPUT  # The preprocessing of a Keras model is in its graph.
    table = report.recipe.get("baseline", {})
    kept = {"model": str(path), **{key: table.get(key) for key in InputSpec.model_fields}}
    return parse_options(BaselineOptions, kept, f"{path.parent}/report.json, baseline").input_spec


def _is_exported(path: Path, report: Report) -> bool:
    """Return True if a file is one of those that a run has exported, by its bytes."""
    own = (each.artifact for each in report.comparisons)
    hashes = {each.sha256 for each in own if each.precision != PRECISION_NOT_KNOWN}
    return path.is_file() and file_sha256(path) in hashes


def check_is_read_as(asked: InputSpec, read: Sequence[InputSpec]) -> None:
    """Raise InputError where an input that was asked for is that of no file."""
    if asked not in read:
        raise InputError(
            "--preprocess, --layout, --input-size",
            "are for other files: a run records how its own are read",
            remedy="leave them out",
        )
