"""The fixture ``edgecv_compare``: an artifact compared with its baseline on a data set."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import Field

from edgecv.acceptance.testing.assertions import ComparedPair
from edgecv.acceptance.testing.session import CompareSession, StrPath
from edgecv.acceptance.testing.short_traceback import in_one_line
from edgecv.analysis.any_files import with_whole_files
from edgecv.analysis.options import LabelOptions, ValidateOptions
from edgecv.analysis.validate import validate
from edgecv.analysis.validation_arrays import ValidationArrays
from edgecv.core.command_options import with_parameters
from edgecv.core.data import Split
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.options import parse_options
from edgecv.core.report import Report
from edgecv.evaluation.gates import PROOF
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.context import open_analysis
from edgecv.pipeline.recipe.options import (
    ImageOptions,
    InputOptions,
    OnOptions,
    TaskOptions,
    TrustOptions,
)


class CompareOptions(
    OnOptions, TrustOptions, LabelOptions, InputOptions, TaskOptions, ImageOptions
):
    """Options of ``edgecv_compare``, as those of ``edgecv validate``."""

    threads: int | None = Field(default=None, ge=1, le=256)
    """Threads while the file is timed."""


class EdgecvCompare:
    """The value of the fixture ``edgecv_compare``."""

    def __init__(self, setting: CompareSession) -> None:
        self._setting = setting

    def __repr__(self) -> str:
        return "<edgecv_compare>"

    @in_one_line
    @with_parameters(CompareOptions)
    def __call__(
        self,
        artifact: StrPath,
        *,
        baseline: StrPath,
        data: StrPath,
        timed: bool = False,
        **options: Any,
    ) -> ComparedPair:
        """Compare a file with its baseline on the test images of a data set.

        Relative paths begin at pytest's rootdir. ``data`` and the other options are those of
        ``edgecv validate``. Files are timed only if ``timed`` is given, with one thread unless
        ``threads`` says otherwise: a test of accuracy need not wait, and other tests run beside it.
        For the same reason the file is not checked against a float32 twin, as ``edgecv validate``
        does; no limit holds that no assertion names. ``on`` a device it is run each time. Raises
        InputError for wrong input, RuntimeFailure for a file that cannot be measured.
        """
        given = parse_options(CompareOptions, options, "edgecv_compare").model_dump(
            exclude_unset=True
        )
        if given.get("threads") is not None and not timed:
            raise InputError("threads", "are of a timed comparison", remedy="give timed=True")
        path = self._file(artifact, "artifact")
        original = self._setting.path(baseline, "baseline")
        source = self._setting.data(data)
        if given.get("labels") is not None:
            given["labels"] = self._setting.path(given["labels"], "labels")
        if given.get("threads") is None:
            given["threads"] = 1
        given |= {"paths": path, "data": source, "baseline": original}
        asked = parse_options(ValidateOptions, given, "edgecv_compare").request()
        request = replace(asked, timed=timed, unproven=(), limits=Limits())
        cache = self._setting.prediction_cache
        with open_analysis(
            request.settings, trust=request.trust, prediction_cache=cache
        ) as context:
            report, measured = validate(with_whole_files(request, context), context)
        _check_measured(report, path)
        shown = self._setting.shown(path)
        return ComparedPair(
            setting=self._setting,
            artifact=path,
            baseline=original,
            data=self._setting.shown(Path(source)),
            report=_named(report, str(path), shown),
            measured=_of_the_test_split(measured, str(path), shown),
        )

    def _file(self, given: StrPath, what: str) -> Path:
        path = self._setting.path(given, what)
        if path.is_dir():
            raise InputError(
                what,
                f"{self._setting.shown(path)} is a folder",
                accepted="one file in .tflite, .onnx, .keras, .h5",
                remedy="name the file in it",
            )
        return path


def _check_measured(report: Report, path: Path) -> None:
    """Raise RuntimeFailure with the reason of the gate if the file could not be measured."""
    for gate in report.gates:
        if gate.name == "runs":
            raise RuntimeFailure(str(path), gate.reason)


def _of_the_test_split(measured: ValidationArrays, path: str, shown: str) -> ValidationArrays:
    """Return the arrays without the other splits, which take much memory."""
    data = measured.data
    nothing = Split(data.test.images[:0], data.test.labels[:0], "")
    data = replace(data, train=nothing, calibration=nothing, validation=nothing)
    return replace(measured, data=data, outputs={shown: measured.outputs[path]})


def _named(report: Report, path: str, shown: str) -> Report:
    """Return a report with the artifact's path as the test names it."""
    comparisons = tuple(
        replace(each, artifact=replace(each.artifact, path=shown)) for each in report.comparisons
    )
    gates = [
        replace(each, artifact=shown) if each.artifact == path else each
        for each in report.gates
        if each.name != PROOF  # A test asserts what it needs.
    ]
    return replace(report, comparisons=comparisons, gates=tuple(gates))
