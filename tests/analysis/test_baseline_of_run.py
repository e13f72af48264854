"""A file of a run as the baseline of others: the run says how it is read."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from edgecv.analysis.bench import bench_files
from edgecv.analysis.options import BenchOptions, ValidateOptions
from edgecv.analysis.validate import validate
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.report import Report
from edgecv.pipeline.context import open_analysis


def said_of(baseline: Path, file: Path) -> str:
    """Return what a validation of a file against a baseline says while it works."""
    said: list[Event] = []
    request = ValidateOptions(paths=(file,), baseline=baseline, data="digits").request()
    with open_analysis(request.settings, said.append) as context:
        validate(request, context)
    return " ".join(each.message for each in said)


def test_its_integer_file_is_not_tried_with_other_pixels(
    output: Path, main_report: Report, tmp_path: Path
) -> None:
    run = output / "main"
    moved = tmp_path / "int8.tflite"
    shutil.copy(run / "int8.tflite", moved)  # Of no run: its pixels are looked for.
    tried = [
        "with each preprocessing" in said_of(baseline, run / "float32.tflite")
        for baseline in (run / "int8.tflite", moved)
    ]
    assert tried == [False, True]


def test_pixels_that_no_file_is_read_by_are_refused(
    output: Path, main_report: Report, tmp_path: Path
) -> None:
    """A run records how its own files are read; a file beside them is read as it is asked for."""
    run = output / "main"
    moved = tmp_path / "int8.tflite"
    shutil.copy(run / "int8.tflite", moved)
    own: dict[str, Any] = {"data": "digits", "preprocess": "0..1"}
    one = (run / "int8.tflite",)
    for given in (
        {"paths": (run,)},
        {"paths": (*one, run / "float32.tflite")},
        {"paths": one, "baseline": run / "float32.tflite"},
        {"paths": one, "baseline": one[0]},  # As edgecv deploy FILE does.
    ):
        with pytest.raises(InputError, match="a run records how its own are read"):
            ValidateOptions(**given, **own).request()
    with pytest.raises(InputError, match="a run records how its own are read"):
        bench_files(one, BenchOptions(preprocess="0..1"))
    for further in ({"baseline": moved}, {"paths": (run / "int8.tflite", moved)}):
        ValidateOptions(**{"paths": (run / "int8.tflite",), **own, **further}).request()
