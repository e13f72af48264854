"""Checks of single files against a float32 reference, as gates and notes."""

import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from edgecv.analysis.reference_check.gates import CheckedFile, ReferenceCheck, judge
from edgecv.analysis.reference_check.kernel_pairs import Padding
from edgecv.analysis.reference_check.twin import Reference, export_twin, given_twin, is_reference
from edgecv.analysis.reference_check.twin_ranges import ReferenceRanges, measure_ranges
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.comparison import Comparison
from edgecv.core.data import Dataset
from edgecv.core.errors import RuntimeFailure
from edgecv.core.quantization import Stored
from edgecv.core.report import Gate
from edgecv.core.text import listed
from edgecv.formats.lookup import runtime_of_file, runtime_of_format
from edgecv.pipeline.context import AnalysisContext
from edgecv.pipeline.measure import MeasuredFile
from edgecv.system.isolation import ModelClient

REFUSED = "refused it"
"""Part of the message of a runtime that has read a file and refuses to run it."""


@dataclass
class CheckContext:
    """The twins and ranges that all files share: each is made once for each format."""

    request: ValidationRequest
    data: Dataset
    run: AnalysisContext
    folder: Path
    _references: dict[str, Reference | str] = field(default_factory=dict)
    _ranges: dict[tuple[str, Padding], ReferenceRanges] = field(default_factory=dict)

    def reference(self, file_format: str) -> Reference | str:
        """Return a format's twin, or the reason for having none."""
        if file_format not in self._references:
            try:
                self._references[file_format] = self._find(file_format)
            except RuntimeFailure as failure:
                self._references[file_format] = f"no float32 twin could be made: {failure.reason}"
        return self._references[file_format]

    def _find(self, file_format: str) -> Reference | str:
        request, baseline = self.request, self.request.baseline
        twin = given_twin(file_format, baseline, request.baseline_input, request.files)
        if twin is None:
            if baseline is None:
                return ""  # The report as a whole says that nothing was compared.
            if not runtime_of_file(baseline).needs_tensorflow:
                return f"there is no float32 .{file_format} file of the same model to compare with"
            self.run.emit("diagnose", f"exporting {baseline} in float32 to compare with")
            twin = export_twin(
                baseline, file_format, self.folder, request.trust, request.baseline_input
            )
        return Reference(twin, self.worker(file_format).stored(twin.path, twin.input_spec))

    def ranges(self, file_format: str, padding: Padding) -> ReferenceRanges:
        """Return the smallest and largest values of the twin's tensors for each image."""
        key, found = (file_format, padding), self.reference(file_format)
        assert not isinstance(found, str)
        if key not in self._ranges:
            worker = self.worker(file_format)
            self._ranges[key] = measure_ranges(self.data, worker, found.twin, self.run, padding)
        return self._ranges[key]

    def worker(self, file_format: str) -> ModelClient:
        """Return the child process that runs files of a format."""
        return self.run.measurements.evaluator(runtime_of_format(file_format).name)


def not_float(path: Path, stored: Stored) -> str:
    """Return the reason for which a file is no twin."""
    kinds = listed(sorted({each.type for each in stored.kernels}))
    if not kinds:
        return f"{path} holds no kernels to compare with"
    return (
        f"{path} holds weights of {kinds}, which are rounded themselves (give the float32 file or"
        " the Keras model that it was made from as --baseline)"
    )


def diagnose(
    request: ValidationRequest,
    comparisons: Sequence[Comparison],
    data: Dataset,
    failures: Mapping[str, str],
    context: AnalysisContext,
) -> ReferenceCheck:
    """Check each unproven file of the request against its float32 twin.

    ``failures``: path -> reason of the files that could not be measured.
    """
    by_agreement = sorted(comparisons, key=lambda each: each.agreement or 0.0, reverse=True)
    # Of several heads the one with the least agreement.
    measured: Mapping[str, Comparison] = {each.artifact.path: each for each in by_agreement}
    gates: list[Gate] = []
    notes: list[str] = []
    with tempfile.TemporaryDirectory(prefix="edgecv-twin-") as folder:
        shared = CheckContext(request, data, context, Path(folder))
        for file in request.unproven:
            path = file.artifact.path
            comparison = measured.get(path)
            if not runtime_of_format(file.artifact.format).runs_on_devices:
                continue
            if comparison is None and REFUSED not in failures.get(path, ""):
                continue  # A file that crashed or hung one child is not given to another.
            began = time.monotonic()
            context.emit("diagnose", f"{path} against its float32 twin")
            found = _check(file, comparison, shared)
            seconds = time.monotonic() - began
            context.emit("diagnose", f"{path} was checked in {seconds:.1f} s")
            gates += found.gates
            notes += found.notes
    return ReferenceCheck(tuple(gates), tuple(notes))


def _check(
    file: MeasuredFile, comparison: Comparison | None, shared: CheckContext
) -> ReferenceCheck:
    file_format, path = file.artifact.format, file.artifact.path
    try:
        stored = shared.worker(file_format).stored(file.path, file.input_spec)
        found = shared.reference(file_format)
        if isinstance(found, Reference):
            if found.twin.path == file.path:
                return ReferenceCheck()
            if not is_reference(found.stored, stored):
                found = not_float(found.twin.path, found.stored)
        checked = CheckedFile(file, stored, found, shared.data, comparison)
        return judge(checked, partial(shared.ranges, file_format))
    except RuntimeFailure as failure:
        return ReferenceCheck(notes=(f"{path} could not be checked: {failure.reason}",))
