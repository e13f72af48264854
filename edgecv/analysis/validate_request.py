"""What a validation is asked for: paths made into files, what they are measured on and against."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource
from edgecv.core.records import PRECISION_NOT_KNOWN, Artifact, Report
from edgecv.core.registry import DATASETS
from edgecv.datasets.resolve import resolve
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.recipe.recipe import BaselineOptions as BaselineOptions
from edgecv.reports.json_file import read_report
from edgecv.system.storage import check_seal, describe

ONNX_SUFFIX = ".onnx"


@dataclass(frozen=True)
class ValidationRequest:
    """What to measure, on what, against what."""

    files: tuple[MeasuredFile, ...]
    source: DatasetSource
    seed: int
    baseline: Path | None
    baseline_reading: InputSpec = DEFAULT_INPUT
    parameters: int = 0
    labels: tuple[str, ...] | None = None
    """The name of each output, where it is not that of a class of the data."""
    test_sha256: str | None = None
    """Of the test split that a run's own report speaks of."""


def request_of(
    paths: Sequence[Path],
    data: str | DatasetSource | None,
    baseline: Path | None,
    labels: tuple[str, ...] | None,
    skip_bad_images: bool,
    input_spec: InputSpec,
) -> ValidationRequest:
    """Make a request of what was given. Raises InputError for wrong paths and missing data."""
    if not paths:
        raise InputError(
            "PATH", "none given", accepted="a run folder, .tflite, .onnx, .keras files"
        )
    for path in [*paths, *([baseline] if baseline else [])]:
        if not path.exists():
            raise InputError("PATH", f"there is no {path}")
    _check_paths(paths)
    runs = [path for path in paths if path.is_dir()]
    if skip_bad_images and data is None:
        raise InputError("--skip-bad-images", "goes with --data", remedy="leave it out")
    if input_spec != DEFAULT_INPUT and len(runs) == len(paths) and baseline is None:
        raise InputError(
            "--preprocess, --layout, --input-size",
            "are for files of other makers: a run says all of its own",
            remedy="leave them out",
        )
    for run in runs:
        check_seal(run)
    report = read_report(runs[0]) if runs else None
    source = None if data is None else resolve(data, skip_bad_images=skip_bad_images)
    seed, parameters, test_sha256 = 0, 0, None
    if report is not None:
        if baseline is None and report.baseline is not None:
            baseline = runs[0] / _plain(report.baseline.path, runs[0])
            parameters = report.baseline.parameters
        if source is None:
            source = DATASETS.parse(report.recipe.get("data"), f"{runs[0]}/report.json, data")
            seed = int(report.recipe.get("seed", 0))
            test_sha256 = report.data.splits["test"].sha256
        if labels is None:
            labels = _labels_of(report)
    if baseline is not None:
        runtime_of_file(baseline)
    if source is None:
        raise InputError(
            "--data", "is needed for single files", accepted="cifar10, digits, or a path"
        )
    files: list[MeasuredFile] = []
    for path in paths:
        files += _of_run(path, report) if report and path.is_dir() else [_single(path, input_spec)]
    baseline_reading = DEFAULT_INPUT if baseline is None else _reading_of(baseline, input_spec)
    return ValidationRequest(
        tuple(files), source, seed, baseline, baseline_reading, parameters, labels, test_sha256
    )


def _labels_of(report: Report) -> tuple[str, ...] | None:
    names = report.recipe.get("baseline", {}).get("labels")
    return None if names is None else tuple(map(str, names))


def _check_paths(paths: Sequence[Path]) -> None:
    """Raise InputError for two runs, or one file twice: each would be judged by the other's."""
    if len([path for path in paths if path.is_dir()]) > 1:
        raise InputError("PATH", "more than one run", remedy="validate them one after the other")
    places = [path.resolve() for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError("PATH", f"{paths[number]} is given twice", remedy="give it once")


def _of_run(folder: Path, report: Report) -> list[MeasuredFile]:
    return [_again(folder, each.artifact) for each in report.comparisons]


def _again(folder: Path, artifact: Artifact) -> MeasuredFile:
    """Return a file of a run with bytes and hash as they are now, whatever the report says."""
    path = folder / _plain(artifact.path, folder)
    if not path.is_file():
        raise InputError(str(path), "is in report.json but not on disk")
    now = describe(path, format=artifact.format, precision=artifact.precision)
    return MeasuredFile(replace(now, notes=artifact.notes, layers=artifact.layers), path)


def _plain(name: str, folder: Path) -> str:
    if Path(name).name != name:
        raise InputError(str(folder / "report.json"), f'"{name}" is not a plain file name')
    return name


def _single(path: Path, asked: InputSpec) -> MeasuredFile:
    runtime = runtime_of_file(path)
    artifact = describe(path, format=runtime.format, precision=PRECISION_NOT_KNOWN)
    if (path.parent / "report.json").is_file():
        for each in read_report(path.parent).comparisons:
            if each.artifact.sha256 == artifact.sha256:
                artifact = each.artifact
    is_own = artifact.precision != PRECISION_NOT_KNOWN
    input_spec = DEFAULT_INPUT if is_own else _reading_of(path, asked)
    return MeasuredFile(replace(artifact, path=str(path)), path, input_spec)


def _reading_of(path: Path, asked: InputSpec) -> InputSpec:
    """Return how a file is read: the baseline of a run as its recipe says, others as asked."""
    if not (path.parent / "report.json").is_file():
        return asked
    report = read_report(path.parent)
    if report.baseline is None or report.baseline.path != path.name:
        return asked
    if path.suffix != ONNX_SUFFIX:
        return DEFAULT_INPUT  # What a Keras model expects of pixels was put into it.
    kept = {"model": str(path), "preprocess": report.recipe["baseline"].get("preprocess")}
    return parse_options(BaselineOptions, kept, f"{path.parent}/report.json, baseline").input_spec
