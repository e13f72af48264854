"""Checks of single files against a float32 reference, as gates and notes."""

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgecv.analysis.reference_check.gates import CheckedFile, judge
from edgecv.analysis.reference_check.twin import Twin, export_twin, given_twin, is_float
from edgecv.analysis.reference_check.twin_ranges import ReferenceRanges, measure_ranges
from edgecv.core.errors import RuntimeFailure
from edgecv.core.input_spec import InputSpec
from edgecv.core.quantization import Stored
from edgecv.core.records import Comparison, Dataset, Event, Gate
from edgecv.formats.lookup import runtime_of_file, runtime_of_format
from edgecv.formats.trust import Trust
from edgecv.pipeline.measure import MeasuredFile, MeasurementPool
from edgecv.reports.json_file import read_report

OnEvent = Callable[[Event], None]
FORMATS = ("tflite", "onnx")
REFUSED = "refused it"
"""The text in the message of a runtime that has read a file and will not run it."""


@dataclass(frozen=True)
class ReferenceCheck:
    """Gates on single files, and sentences for the report."""

    gates: tuple[Gate, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass
class CheckContext:
    """The twins and ranges that the files of one call share: each is made once a format."""

    tests: MeasurementPool
    data: Dataset
    baseline: Path | None
    baseline_reading: InputSpec
    trust: Trust
    on_event: OnEvent
    folder: Path
    _twins: dict[str, tuple[Twin, Stored] | str] = field(default_factory=dict)
    _ranges: dict[str, ReferenceRanges] = field(default_factory=dict)

    def twin(self, file_format: str, files: Sequence[MeasuredFile]) -> tuple[Twin, Stored] | str:
        """Return a format's twin and what it stores, or why there is none."""
        if file_format not in self._twins:
            try:
                self._twins[file_format] = self._find(file_format, files)
            except RuntimeFailure as failure:
                self._twins[file_format] = f"no float32 twin could be made: {failure.reason}"
        return self._twins[file_format]

    def _find(self, file_format: str, files: Sequence[MeasuredFile]) -> tuple[Twin, Stored] | str:
        twin = given_twin(file_format, self.baseline, self.baseline_reading, files)
        if twin is None:
            if self.baseline is None:
                return ""  # That nothing was compared is said of the whole report.
            if not runtime_of_file(self.baseline).needs_tensorflow:
                return f"there is no float32 .{file_format} file of the same model to compare with"
            self.on_event(
                Event("diagnose", f"exporting {self.baseline} in float32 to compare with")
            )
            twin = export_twin(self.baseline, file_format, self.folder, self.trust)
        worker = self.tests.evaluator(runtime_of_format(file_format).name)
        stored = worker.stored(twin.path, twin.input_spec)
        if not is_float(stored):
            return f"{twin.path} is no float32 file to compare with"
        return twin, stored

    def ranges(self, file_format: str, twin: Twin) -> ReferenceRanges:
        """Return the smallest and largest values of the twin, for each image that is run."""
        if file_format not in self._ranges:
            worker = self.tests.evaluator(runtime_of_format(file_format).name)
            self._ranges[file_format] = measure_ranges(self.data, worker, twin, self.on_event)
        return self._ranges[file_format]


def unproven(files: Sequence[MeasuredFile], paths: Sequence[Path]) -> list[MeasuredFile]:
    """Return the files that no export has proven: single ones, and those that a run's report
    does not speak of, though its seal was made anew.
    """
    reported: dict[Path, set[str]] = {}
    for path in paths:
        if path.is_dir():
            kept = read_report(path).comparisons
            reported[path] = {each.artifact.sha256 for each in kept}
    return [
        file
        for file in files
        if file.path in paths
        or file.artifact.sha256 not in reported.get(file.path.parent, {file.artifact.sha256})
    ]


def diagnose(
    loose: Sequence[MeasuredFile],
    files: Sequence[MeasuredFile],
    comparisons: Sequence[Comparison],
    data: Dataset,
    tests: MeasurementPool,
    *,
    baseline: Path | None,
    baseline_reading: InputSpec,
    trust: Trust,
    failures: Mapping[str, str],
    on_event: OnEvent,
) -> ReferenceCheck:
    """Hold each single file against the float32 twin of its format.

    ``loose``: files that no export has proven; ``files``: all that were given; ``failures``: why
    some could not be measured, by path.
    """
    measured: Mapping[str, Comparison] = {each.artifact.path: each for each in comparisons}
    gates: list[Gate] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="edgecv-twin-") as folder:
        context = CheckContext(
            tests, data, baseline, baseline_reading, trust, on_event, Path(folder)
        )
        for file in loose:
            comparison = measured.get(file.artifact.path)
            if file.artifact.format not in FORMATS:
                continue
            if comparison is None and REFUSED not in failures.get(file.artifact.path, ""):
                continue  # What crashed or hung one child is not given to another.
            began = time.monotonic()
            on_event(Event("diagnose", f"{file.artifact.path} against its float32 twin"))
            found = _one(file, comparison, files, context)
            seconds = time.monotonic() - began
            on_event(Event("diagnose", f"{file.artifact.path} was checked in {seconds:.1f} s"))
            gates += found.gates
            notes += found.notes
    return ReferenceCheck(tuple(gates), tuple(notes))


def _one(
    file: MeasuredFile,
    comparison: Comparison | None,
    files: Sequence[MeasuredFile],
    context: CheckContext,
) -> ReferenceCheck:
    file_format, path = file.artifact.format, file.artifact.path
    worker = context.tests.evaluator(runtime_of_format(file_format).name)
    try:
        stored = worker.stored(file.path, file.input_spec)
        found = context.twin(file_format, files)
        twin = None if isinstance(found, str) else found[0]
        if twin is not None and twin.path == file.path:
            return ReferenceCheck()
        checked = CheckedFile(
            artifact=file.artifact,
            path=file.path,
            stored=stored,
            twin=None if isinstance(found, str) else found[1],
            no_twin=found if isinstance(found, str) else "",
            names=() if twin is None else twin.names,
            data=context.data,
            comparison=comparison,
        )
        ranges = None if twin is None else lambda: context.ranges(file_format, twin)
        judged, notes = judge(checked, ranges)
    except RuntimeFailure as failure:
        return ReferenceCheck(notes=(f"{path} could not be checked: {failure.reason}",))
    return ReferenceCheck(tuple(judged), tuple(notes))
