"""The request of a validation: its files, the data and the baseline."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from edgecv.analysis.described_files import (
    check_is_read_as,
    described_input,
    file_name,
    from_disk,
    is_baseline_of,
    report_in,
    single_file,
)
from edgecv.analysis.options import ValidateOptions
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.options import parse_options
from edgecv.core.plugins import DatasetSource, Task
from edgecv.core.registry import DATASETS
from edgecv.core.report import Control, Report
from edgecv.datasets.class_order import read_labels
from edgecv.datasets.npz_arrays import holds_inputs
from edgecv.datasets.resolve import accepted_data, resolve
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.task_of import task_of
from edgecv.formats.lookup import importer_of, runtime_of_file
from edgecv.formats.tflite.interpreter import USUAL_KERNELS
from edgecv.formats.trust import NO_TRUST, Trust, check_custom_objects
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.recipe.parts import RunSettings
from edgecv.reports.json_file import read_report
from edgecv.system.storage import check_seal


@dataclass(frozen=True)
class ValidationRequest:
    """The files to measure, on which data, against which baseline."""

    files: tuple[MeasuredFile, ...]
    source: DatasetSource | None
    """None for arrays of the inputs, or for random values of them, which need a baseline."""
    inputs: Path | None
    """The .npz with an array for each input of the files."""
    settings: RunSettings
    """The seed is that of a run; 0 for single files."""
    baseline: Path | None
    baseline_input: InputSpec = DEFAULT_INPUT
    baseline_is_of_run: bool = False
    """True if the report of a run says how the baseline is read."""
    control: Control | None = None
    """The control of a run that is compared with its own baseline."""
    control_file: Path | None = None
    """None where it could not be trained."""
    parameters: int | None = None
    """Parameters of the baseline; 0 where they are not known."""
    labels: tuple[str, ...] | None = None
    """The name of each output, if it differs from the classes of the data."""
    task: Task | None = None
    """The task of a run; None where data and files show it."""
    test_sha256: str | None = None
    """SHA-256 of the test split in the report of the run."""
    limits: Limits = field(default_factory=Limits)
    trust: Trust = NO_TRUST
    """Allowed content of the Keras models that are measured."""
    timed: bool = True
    images: int | None = None
    """Number of test images to measure on, drawn over all of them; None for all."""
    unproven: tuple[MeasuredFile, ...] = ()
    """The files to check against a float32 twin: those that no run has exported and checked."""


def request_of(options: ValidateOptions) -> ValidationRequest:
    """Return the request for files and runs: see ``ValidateOptions.request``."""
    paths, data, baseline = options.paths, options.data, options.baseline
    labels = None if options.labels is None else read_labels(options.labels)
    input_spec = options.input_spec
    if not paths:
        raise InputError(
            "PATH", "none given", accepted="a run folder, .tflite, .onnx, .keras files"
        )
    for where, path in (*(("PATH", path) for path in paths), ("--baseline", baseline)):
        if path is not None and not path.exists():
            raise InputError(where, f"there is no {path}")
        if path is not None:
            check_regular(path, where, folders=True)
    _check_paths(paths)
    runs = [path for path in paths if path.is_dir()]
    if options.skip_bad_images and data is None:
        raise InputError("--skip-bad-images", "goes with --data", remedy="leave it out")
    if options.resize is not None and data is None:
        raise InputError("--resize", "goes with --data: a run knows its own", remedy="leave it out")
    for run in runs:
        check_seal(run)
    report_of = cache(report_in)
    report = report_of(runs[0]) or read_report(runs[0]) if runs else None
    inputs = Path(data) if isinstance(data, str) and holds_inputs(Path(data)) else None
    source = (
        None
        if data is None or inputs is not None
        else resolve(data, skip_bad_images=options.skip_bad_images, resize=options.resize)
    )
    input_spec = read_as(input_spec, source)
    seed, judged_on, test_sha256, parameters = 0, "test", None, None
    control = None if report is None or baseline is not None else report.control
    kernels = options.kernels or USUAL_KERNELS
    if report is not None:
        if baseline is None and report.baseline is not None:
            baseline = runs[0] / file_name(report.baseline.path, runs[0])
            parameters = report.baseline.parameters
        kernels = options.kernels or str(report.recipe.get("kernels", USUAL_KERNELS))
        if source is None and inputs is None:
            source = DATASETS.parse(report.recipe.get("data"), f"{runs[0]}/report.json, data")
            seed = report.recipe.get("seed", 0)
            judged_on = report.recipe.get("judged_on", "test")
            test_sha256 = report.data.splits["test"].sha256
        names = report.recipe.get("baseline", {}).get("labels")
        if labels is None and names is not None:
            labels = tuple(map(str, names))
    trust = Trust(everything=options.trust_model, custom_objects=options.custom_objects)
    of_baseline = None
    if baseline is not None:
        runtime_of_file(baseline)
        if baseline.is_dir():
            importer_of(baseline).check_trust(baseline, trust)
        of_baseline = report_of(baseline.parent)
    is_random = source is None and inputs is None
    if is_random and (baseline is None or runtime_of_file(baseline).needs_tensorflow):
        raise InputError(
            "--data",
            "is needed for single files",
            accepted=accepted_data(),
            remedy="" if baseline else "or --baseline FILE alone compares both on random values",
        )
    files: list[MeasuredFile] = []
    for path in paths:
        files += (
            [from_disk(path, each.artifact) for each in report.files]
            if report and path.is_dir()
            else [single_file(path, input_spec, report_of(path.parent))]
        )
    baseline_input = DEFAULT_INPUT
    if baseline is not None:
        baseline_input = described_input(baseline, input_spec, of_baseline)
    if options.input_spec != DEFAULT_INPUT:
        check_is_read_as(input_spec, [baseline_input, *(file.input_spec for file in files)])
    _check_unique([file.path for file in files])
    settings = parse_options(
        RunSettings,
        {
            "name": "validate",
            "seed": seed,
            "threads": options.threads,
            "kernels": kernels,
            "device": options.device(),
            "judged_on": judged_on,
        },
        "--kernels",
    )
    settings = parse_options(
        RunSettings, {**dict(settings), **options.of_cache()}, "--cache, --cache-limit, --no-cache"
    )
    _check_kernels(settings, [*(file.path for file in files), *([baseline] if baseline else [])])
    check_custom_objects(options.custom_objects)
    return ValidationRequest(
        files=tuple(files),
        source=source,
        inputs=inputs,
        settings=settings,
        baseline=baseline,
        baseline_input=baseline_input,
        baseline_is_of_run=baseline is not None and is_baseline_of(baseline, of_baseline),
        control=control,
        control_file=runs[0] / file_name(control.path, runs[0])
        if control is not None and control.path
        else None,
        parameters=parameters,
        labels=labels,
        task=options.parsed_task() or (None if report is None else task_of(report)),
        test_sha256=test_sha256,
        limits=options.changed(
            _limits_of(report, runs, source), on_device=options.on is not None
        ).with_defaults(),
        trust=trust,
        unproven=tuple(_unproven(files, paths, report)),
    )


def read_as(spec: InputSpec, source: DatasetSource | None) -> InputSpec:
    """Return how files are read: with the numbers of the data, where these are no pixels."""
    meaning = None if source is None or spec.preprocess is not None else source.meaning()
    return spec if meaning is None else spec.model_copy(update={"preprocess": meaning})


def _check_kernels(settings: RunSettings, paths: Sequence[Path]) -> None:
    """Raise InputError for kernels that no file is run with."""
    runtimes = [runtime_of_file(path) for path in paths]
    if settings.kernels != USUAL_KERNELS and not any(
        "kernels" in runtime.model_fields for runtime in runtimes
    ):
        raise InputError("--kernels", "is of .tflite files", remedy="leave it out")


def _unproven(
    files: Sequence[MeasuredFile], paths: Sequence[Path], report: Report | None
) -> list[MeasuredFile]:
    """Return the files that no export has checked.

    These are single files, and files of a run that its ``report`` does not name.
    """
    reported = {each.artifact.sha256 for each in report.comparisons} if report else set()
    return [file for file in files if file.path in paths or file.artifact.sha256 not in reported]


def _limits_of(report: Report | None, runs: Sequence[Path], source: DatasetSource | None) -> Limits:
    """Return the limits that a run was made with; those of single files are options alone.

    Without those that need labels, where ``source`` has none.
    """
    if report is None:
        return Limits()
    where = f"{runs[0]}/report.json, gates"
    limits = parse_options(Limits, report.recipe.get("gates", {}), where)
    return limits if source is None or source.has_labels else limits.without(limits.of_labels())


def _check_paths(paths: Sequence[Path]) -> None:
    """Raise InputError for two runs, or for one path given twice."""
    if len([path for path in paths if path.is_dir()]) > 1:
        raise InputError("PATH", "more than one run", remedy="validate them one after the other")
    _check_unique(paths)


def _check_unique(paths: Sequence[Path]) -> None:
    """Raise InputError for one file given twice: also by itself and in its run."""
    places = [os.path.realpath(path) for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError("PATH", f"{paths[number]} is given twice", remedy="give it once")
