"""The request of a validation: its files, the data and the baseline."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

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
from edgecv.analysis.validate_checks import (
    check_kernels,
    check_options,
    check_random,
    check_unique,
)
from edgecv.core.errors import InputError
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
from edgecv.formats.trust import NO_TRUST, Trust, check_custom_objects
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.pipeline.run_report import asked_twins
from edgecv.reports.json_file import read_report

ReportOf = Callable[[Path], Report | None]
"""Return the report of the run in a folder, which is read once."""


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
    asked_twins: frozenset[str] = frozenset()
    """The float32 twins that the run's recipe asks for: limits are for them too."""
    meaning: tuple[str, ...] = ()
    """The options, as given, that say what the outputs mean."""
    unproven: tuple[MeasuredFile, ...] = ()
    """The files to check against a float32 twin: those that no run has exported and checked."""

    def images_source(self) -> DatasetSource:
        """Return the data. Raises InputError for arrays of the inputs, which are no images."""
        if self.source is None:
            holds = "holds an array for each input of a model, and no images with their splits"
            raise InputError(
                "--data",
                "is needed" if self.inputs is None else f"{self.inputs} {holds}",
                accepted=accepted_data(),
                remedy="edgecv validate FILE --baseline FILE compares two files on such arrays",
            )
        return self.source


def request_of(options: ValidateOptions) -> ValidationRequest:
    """Return the request for files and runs: see ``ValidateOptions.request``."""
    labels = None if options.labels is None else read_labels(options.labels)
    check_options(options)
    report_of = cache(report_in)
    run = next((path for path in options.paths if path.is_dir()), None)
    report = None if run is None else report_of(run) or read_report(run)
    source, inputs = _data_of(options)
    input_spec = read_as(options.input_spec, source)
    baseline, parameters, test_sha256 = options.baseline, None, None
    control = None if report is None or baseline is not None else report.control
    of_run: dict[str, Any] = {}
    if run is not None and report is not None:
        if baseline is None and report.baseline is not None:
            baseline = run / file_name(report.baseline.path, run)
            parameters = report.baseline.parameters
        of_run = _settings_of(report, ("kernels",))
        if source is None and inputs is None:
            source = DATASETS.parse(report.recipe.get("data"), f"{run}/report.json, data")
            of_run |= _settings_of(report, ("seed", "judged_on"))
            test_sha256 = report.data.splits["test"].sha256
        names = report.recipe.get("baseline", {}).get("labels")
        if labels is None and names is not None:
            labels = tuple(map(str, names))
    trust = Trust(everything=options.trust_model, custom_objects=options.custom_objects)
    of_baseline = None if baseline is None else _report_beside(baseline, trust, report_of)
    if source is None and inputs is None:
        check_random(baseline)
    files: list[MeasuredFile] = []
    for path in options.paths:
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
    check_unique([file.path for file in files])
    settings = _settings(options, of_run)
    check_kernels(settings, [*(file.path for file in files), *([baseline] if baseline else [])])
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
        control_file=run / file_name(control.path, run)
        if run is not None and control is not None and control.path
        else None,
        parameters=parameters,
        labels=labels,
        task=options.parsed_task() or (None if report is None else task_of(report)),
        test_sha256=test_sha256,
        limits=options.changed(
            _limits_of(report, run, source), on_device=options.on is not None
        ).with_defaults(),
        trust=trust,
        asked_twins=frozenset() if report is None else asked_twins(report),
        meaning=_meaning(options),
        unproven=tuple(_unproven(files, options.paths, report)),
    )


def _data_of(options: ValidateOptions) -> tuple[DatasetSource | None, Path | None]:
    """Return the data that are given, or the .npz with an array for each input of the files."""
    data = options.data
    if isinstance(data, str) and holds_inputs(Path(data)):
        return None, Path(data)
    if data is None:
        return None, None
    return resolve(data, skip_bad_images=options.skip_bad_images, resize=options.resize), None


def _meaning(options: ValidateOptions) -> tuple[str, ...]:
    """Return the given options that say what outputs mean: a task of numbers says nothing."""
    task = options.parsed_task()
    is_numbers = task is None or all(head.task.compares_numbers for head in task.heads())
    given = {"--task": not is_numbers, "--labels": options.labels is not None}
    return tuple(flag for flag, is_given in given.items() if is_given)


def _report_beside(baseline: Path, trust: Trust, report_of: ReportOf) -> Report | None:
    """Return the report in the folder of a baseline. Raises InputError where it is not trusted."""
    runtime_of_file(baseline)
    if baseline.is_dir():
        importer_of(baseline).check_trust(baseline, trust)
    return report_of(baseline.parent)


def _settings_of(report: Report, names: Sequence[str]) -> dict[str, Any]:
    return {name: report.recipe[name] for name in names if name in report.recipe}


def _settings(options: ValidateOptions, of_run: Mapping[str, Any]) -> RunSettings:
    """Return the settings of a run, and those that are given."""
    given = {} if options.kernels is None else {"kernels": options.kernels}
    own = {"name": "validate", "threads": options.threads, "device": options.device()}
    settings = parse_options(RunSettings, {**of_run, **own, **given}, "--kernels")
    return parse_options(
        RunSettings, {**dict(settings), **options.of_cache()}, "--cache, --cache-limit, --no-cache"
    )


def read_as(spec: InputSpec, source: DatasetSource | None) -> InputSpec:
    """Return how files are read: with the numbers of the data, where these are no pixels."""
    meaning = None if source is None or spec.preprocess is not None else source.meaning()
    return spec if meaning is None else spec.model_copy(update={"preprocess": meaning})


def _unproven(
    files: Sequence[MeasuredFile], paths: Sequence[Path], report: Report | None
) -> list[MeasuredFile]:
    """Return the files that no export has checked.

    These are single files, and files of a run that its ``report`` does not name: a copy of another
    file of the run, under the name of this one, is none that it names.
    """
    reported = (
        {(each.artifact.path, each.artifact.sha256) for each in report.files} if report else ()
    )
    return [
        file
        for file in files
        if file.path in paths or (file.path.name, file.artifact.sha256) not in reported
    ]


def _limits_of(report: Report | None, run: Path | None, source: DatasetSource | None) -> Limits:
    """Return the limits that a run was made with; those of single files are options alone.

    Without those that need labels, where ``source`` has none.
    """
    if report is None:
        return Limits()
    where = f"{run}/report.json, gates"
    limits = parse_options(Limits, report.recipe.get("gates", {}), where)
    return limits if source is None or source.has_labels else limits.without(limits.of_labels())
