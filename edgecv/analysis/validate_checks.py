"""Checks of what a validation is asked for: its paths, its data, its kernels."""

import os
from collections.abc import Sequence
from pathlib import Path

from edgecv.analysis.options import ValidateOptions
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.datasets.resolve import accepted_data
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.tflite.interpreter import USUAL_KERNELS
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.system.storage import check_seal


def check_options(options: ValidateOptions) -> None:
    """Raise InputError for paths that cannot be measured, and options of data without any."""
    paths = options.paths
    if not paths:
        raise InputError(
            "PATH", "none given", accepted="a run folder, .tflite, .onnx, .keras files"
        )
    for where, path in (*(("PATH", path) for path in paths), ("--baseline", options.baseline)):
        if path is not None and not path.exists():
            raise InputError(where, f"there is no {path}")
        if path is not None:
            check_regular(path, where, folders=True)
    runs = [path for path in paths if path.is_dir()]
    if len(runs) > 1:
        raise InputError("PATH", "more than one run", remedy="validate them one after the other")
    check_unique(paths)
    if options.skip_bad_images and options.data is None:
        raise InputError("--skip-bad-images", "goes with --data", remedy="leave it out")
    if options.resize is not None and options.data is None:
        raise InputError("--resize", "goes with --data: a run knows its own", remedy="leave it out")
    for run in runs:
        check_seal(run)


def check_random(baseline: Path | None) -> None:
    """Raise InputError where there are no data, and no file to compare with on random values."""
    if baseline is None or runtime_of_file(baseline).needs_tensorflow:
        raise InputError(
            "--data",
            "is needed for single files",
            accepted=accepted_data(),
            remedy="" if baseline else "or --baseline FILE alone compares both on random values",
        )


def check_kernels(settings: RunSettings, paths: Sequence[Path]) -> None:
    """Raise InputError for kernels that no file is run with."""
    runtimes = [runtime_of_file(path) for path in paths]
    if settings.kernels != USUAL_KERNELS and not any(
        "kernels" in runtime.model_fields for runtime in runtimes
    ):
        raise InputError("--kernels", "is of .tflite files", remedy="leave it out")


def check_unique(paths: Sequence[Path]) -> None:
    """Raise InputError for one file given twice: also by itself and in its run."""
    places = [os.path.realpath(path) for path in paths]
    for number, place in enumerate(places):
        if place in places[:number]:
            raise InputError("PATH", f"{paths[number]} is given twice", remedy="give it once")
