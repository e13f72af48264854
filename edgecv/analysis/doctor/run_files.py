"""Files of a run: a file in a run folder is compared with the model that it was exported from."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from edgecv.analysis.described_files import (
    RETRAINED,
    check_is_read_as,
    described_input,
    is_baseline_of,
    report_in,
    single_file,
)
from edgecv.analysis.doctor.records import Finding
from edgecv.analysis.options import DoctorOptions
from edgecv.analysis.preprocessing import ReadModels
from edgecv.core.comparison import Comparison
from edgecv.core.errors import InputError
from edgecv.core.input_spec import DEFAULT_INPUT
from edgecv.core.plugins import DatasetSource
from edgecv.core.registry import DATASETS
from edgecv.core.report import Report
from edgecv.datasets.resolve import resolve
from edgecv.formats.lookup import device_suffixes, runtime_of_file
from edgecv.pipeline.measure import MeasuredFile
from edgecv.reports.failed_limits import failed_limits
from edgecv.reports.json_file import read_report
from edgecv.system.storage import check_seal, describe

REPORT = "report.json"


@dataclass(frozen=True)
class ExaminedFile:
    """The options for one file, the images, and what its run folder has added to them."""

    options: DoctorOptions
    source: DatasetSource | None
    twin: Path | None = None
    """The float32 file of the same run and the same weights."""
    findings: tuple[Finding, ...] = ()
    report: Report | None = None
    """The report of the run that the file lies in."""


def examined_file(options: DoctorOptions) -> ExaminedFile:
    """Return the file to examine, with the model and the images of its run."""
    source = None if options.data is None else resolve(options.data)
    path = options.path
    if path.is_dir():
        if not (path / REPORT).is_file():
            raise InputError(
                str(path),
                "is no run folder",
                accepted=f"a run folder, or a file in {device_suffixes()}",
            )
        check_seal(path)
        report = read_report(path)
        chosen, found = _chosen(path, report)
        found = (*_failed(report), *found)
        options = options.model_copy(update={"path": path / chosen.artifact.path})
        return _of_run(options, report, source or _source_of(path, report), found)
    beside = report_in(path.parent) if path.is_file() else None
    if beside is None:
        return ExaminedFile(options, source)
    sha256 = describe(path, format=runtime_of_file(path).format, precision="").sha256
    is_other = all(each.artifact.sha256 != sha256 for each in beside.comparisons)
    if is_other:
        return ExaminedFile(options, source, report=beside)
    failed = tuple(_failed(beside, path.name))
    source = source or _source_of(path.parent, beside)
    missing = "" if options.needs_images else _missing(source)
    if missing:
        note = Finding(
            "no-images", "note", path.name, f"the images of its run are missing: {missing}"
        )
        return ExaminedFile(options, None, findings=(*failed, note), report=beside)
    return _of_run(options, beside, source, failed)


def read_models(options: DoctorOptions, file: MeasuredFile, report: Report | None) -> ReadModels:
    """Return the file, the one beside it and the baseline, and how each is read.

    ``report``: of the run that the file lies in.
    """

    def known(path: Path) -> Report | None:
        return report if path.parent == options.path.parent else report_in(path.parent)

    beside, baseline = options.beside, options.baseline
    files = [file]
    if beside is not None:
        files.append(single_file(beside, options.input_spec, known(beside)))
    if baseline is None:
        return ReadModels(tuple(files))
    of_baseline = known(baseline)
    spec = described_input(baseline, options.input_spec, of_baseline)
    return ReadModels(tuple(files), baseline, spec, is_baseline_of(baseline, of_baseline))


def check_input(options: DoctorOptions, file: MeasuredFile, report: Report | None) -> None:
    """Raise InputError for an input that is asked for, and that no file is read by."""
    if options.input_spec != DEFAULT_INPUT:
        models = read_models(options, file, report)
        others = [each.input_spec for each in models.files[1:]]
        check_is_read_as(options.input_spec, [*others, models.baseline_input])


def _source_of(folder: Path, report: Report) -> DatasetSource:
    return DATASETS.parse(report.recipe.get("data"), f"{folder / REPORT}, data")


def _missing(source: DatasetSource) -> str:
    """Return why the images of a run cannot be had, by a quick look; empty where they can."""
    place = vars(source).get("path")
    if place is not None and not os.path.exists(place):
        return f"there is no {place}; give --data"
    try:
        source.most_calibration_images()
    except InputError as error:
        return str(error)
    return ""


def _chosen(folder: Path, report: Report) -> tuple[Comparison, tuple[Finding, ...]]:
    """Return the file of a run to examine: the first that failed a limit, else the first."""
    files = [each for each in report.files if Path(each.artifact.path).name]
    files = [each for each in files if not each.is_twin] or files
    if not files:
        raise InputError(str(folder), "holds no file that was measured")
    failed = {gate.artifact for gate in report.gates if gate.outcome == "failed"}
    chosen = next((each for each in files if each.artifact.path in failed), files[0])
    path = folder / chosen.artifact.path
    if Path(chosen.artifact.path).name != chosen.artifact.path or not path.is_file():
        raise InputError(str(folder / REPORT), f'"{chosen.artifact.path}" is not in the folder')
    names = [each.artifact.path for each in files if each is not chosen]
    if not names:
        return chosen, ()
    others = Finding(
        "one-of-several",
        "note",
        chosen.artifact.path,
        f"this file of the run was examined; it also has {', '.join(names)}",
        f"edgecv doctor {quote(str(folder / names[0]))}",
    )
    return chosen, (others,)


def _failed(report: Report, path: str | None = None) -> Iterator[Finding]:
    """Yield a finding for each limit that a run, or one file of it, has failed."""
    for each in failed_limits(report, path):
        yield Finding("failed-limit", "warning", each.label, each.found, each.remedy)


def _of_run(
    options: DoctorOptions,
    report: Report,
    source: DatasetSource,
    findings: tuple[Finding, ...],
) -> ExaminedFile:
    """Return a file of a run with its reference: the retrained model, where there is one."""
    folder = options.path.parent
    baseline, retrained = _models(folder, report)
    given = options.baseline
    is_original = baseline is not None and given is not None and _is_same(given, baseline)
    reference = given
    if given is None or (is_original and retrained is not None):
        reference = retrained or baseline
    found = [*findings, *_reference_notes(reference, given, retrained)]
    twin = None
    suffix = options.path.suffix.lower()
    if reference is not None and reference != retrained:
        floats = folder / f"float32{suffix}"
        twin = floats if floats.is_file() and floats != options.path else None
    changed = options.model_copy(update={"baseline": reference, "data": options.data or source})
    return ExaminedFile(changed, source, twin, tuple(found), report)


def _is_same(one: Path, other: Path) -> bool:
    return one.exists() and one.samefile(other)


def _models(folder: Path, report: Report) -> tuple[Path | None, Path | None]:
    """Return the original model of a run and the retrained one, where they are there."""
    name = "" if report.baseline is None else report.baseline.path
    original = folder / name
    if not name or Path(name).name != name or not original.exists():
        return None, None
    return original, retrained_in(folder) if report.recipe.get("technique") else None


def retrained_in(folder: Path) -> Path | None:
    """Return the retrained model of a run folder; None where there is none."""
    return next((folder / name for name in RETRAINED if (folder / name).is_file()), None)


def _reference_notes(
    reference: Path | None, given: Path | None, retrained: Path | None
) -> Iterator[Finding]:
    if reference is None or reference == given:
        return
    why = (
        "the model after training, which the file was exported from: what training changed is no"
        " error of the file"
        if reference == retrained
        else "the original model of its run"
    )
    yield Finding("reference", "note", str(reference), f"layers are compared with {why}")
