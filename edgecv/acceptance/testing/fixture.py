"""The call that a test makes: one artifact beside its baseline, on the images of a data set."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from edgecv.acceptance.testing.assertions import ComparedPair
from edgecv.acceptance.testing.session import CompareSession, StrPath
from edgecv.acceptance.testing.short_traceback import in_one_line
from edgecv.analysis.validate import ValidationArrays, validate_paths
from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.input_spec import input_spec_of
from edgecv.core.records import Report, Split


class EdgecvCompare:
    """What the fixture ``edgecv_compare`` is."""

    def __init__(self, setting: CompareSession) -> None:
        self._setting = setting

    def __repr__(self) -> str:
        return "<edgecv_compare>"

    @in_one_line
    def __call__(
        self,
        artifact: StrPath,
        *,
        baseline: StrPath,
        data: StrPath,
        preprocess: str | None = None,
        layout: str | None = None,
        input_size: str | None = None,
        labels: StrPath | None = None,
        timed: bool = False,
        threads: int | None = None,
        skip_bad_images: bool = False,
        trust_model: bool = False,
        custom_objects: Sequence[str] = (),
    ) -> ComparedPair:
        """Compare a file with its baseline on the test images of a data set.

        Relative paths begin at pytest's rootdir. ``data`` is as for ``edgecv validate --data``, and
        the other options are too. Nothing is timed unless ``timed``, with one thread or
        ``threads``: a test that is about accuracy need not wait, and others run beside it. For the
        same reason no float32 twin is made: what ``edgecv validate`` finds in a file is not told.
        Raises InputError for wrong input, RuntimeFailure for a file that cannot be measured.
        """
        if threads is not None and not timed:
            raise InputError("threads", "are of a timed comparison", remedy="give timed=True")
        path = self._file(artifact, "artifact")
        original = self._setting.path(baseline, "baseline")
        source = self._setting.data(data)
        measured: list[ValidationArrays] = []
        report = validate_paths(
            [path],
            data=source,
            baseline=original,
            threads=1 if threads is None else threads,
            labels=None if labels is None else self._setting.path(labels, "labels"),
            input_spec=input_spec_of(preprocess, layout, input_size),
            skip_bad_images=skip_bad_images,
            trust_model=trust_model,
            custom_objects=tuple(custom_objects),
            timed=timed,
            diagnosed=False,
            prediction_cache=self._setting.prediction_cache,
            on_measured=measured.append,
        )
        _check_measured(report, path)
        shown = self._setting.shown(path)
        return ComparedPair(
            setting=self._setting,
            artifact=path,
            baseline=original,
            data=self._setting.shown(Path(source)),
            report=_named(report, str(path), shown),
            measured=_of_the_test_split(measured[0], str(path), shown),
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
    """Raise RuntimeFailure where the only file could not be measured: a gate says why."""
    for gate in report.gates:
        if gate.name == "runs":
            raise RuntimeFailure(str(path), gate.reason)


def _of_the_test_split(measured: ValidationArrays, path: str, shown: str) -> ValidationArrays:
    """Return what was measured without the images that it was not measured on: they are many."""
    data = measured.data
    nothing = Split(data.test.images[:0], data.test.labels[:0], "")
    data = replace(data, train=nothing, calibration=nothing, validation=nothing)
    return replace(measured, data=data, outputs={shown: measured.outputs[path]})


def _named(report: Report, path: str, shown: str) -> Report:
    """Return a report that calls the artifact as the team does."""
    (comparison,) = report.comparisons
    artifact = replace(comparison.artifact, path=shown)
    gates = [
        replace(each, artifact=shown) if each.artifact == path else each for each in report.gates
    ]
    return replace(
        report, comparisons=(replace(comparison, artifact=artifact),), gates=tuple(gates)
    )
