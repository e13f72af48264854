"""Checks of what a diagnosis is asked for, before anything runs."""

import os
from pathlib import Path

from edgecv.analysis.described_files import RETRAINED
from edgecv.analysis.options import DoctorOptions
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular, no_file
from edgecv.core.options import parse_options
from edgecv.core.registry import EXPORTERS
from edgecv.formats.lookup import device_suffixes, importer_of, runtime_of_file
from edgecv.system.storage import check_outside_runs

MORE_BITS = {
    "int16x8": 'keep more bits: precision = "int16x8" under [[export]]',
    "float32": 'keep the file in float: precision = "float32" under [[export]]',
}
"""Remedies for a layer that is too coarse; the first that the format supports is taken."""
TRAIN_LONGER = "its ranges were found in training: train for longer (epochs under [[technique]])"


def check_paths(options: DoctorOptions) -> None:
    """Raise InputError for a path that cannot be written to, before anything is opened.

    What is read, or written by another flag, is not written over.
    """
    written = {
        "--sarif": options.sarif,
        "--model-explorer": options.model_explorer,
        "--fix": options.fix,
    }
    taken = _files_read(options)
    for flag, path in written.items():
        if path is None:
            continue
        if not path.absolute().parent.is_dir():
            raise InputError(flag, f"there is no folder {path.parent}", remedy="make the folder")
        check_regular(path, flag)
        check_outside_runs(path, flag)
        place = os.path.realpath(path)
        if place in taken:
            found = f"{path} is {taken[place]} too"
            raise InputError(flag, found, remedy="give another path")
        taken[place] = f"the file of {flag}"
    if options.path.is_dir():
        return
    runtime, accepted = runtime_of_file(options.path), device_suffixes()
    if not runtime.runs_on_devices:
        raise InputError(
            str(options.path), "is not a file for a device", accepted=f"a file in {accepted}"
        )


def _files_read(options: DoctorOptions) -> dict[str, str]:
    """Return the files that are read, by their real paths, each with what it is."""
    read = {
        "the file that is examined": options.path,
        "the file of --baseline": options.baseline,
        "the file of --beside": options.beside,
        "the file of --data": options.data if isinstance(options.data, str) else None,
    }
    places = {name: os.path.realpath(path) for name, path in read.items() if path is not None}
    return {place: name for name, place in places.items() if os.path.isfile(place)}


def check_options(options: DoctorOptions, *, has_images: bool) -> None:
    """Raise InputError for options that cannot be met, before anything is opened."""
    runtime, accepted = runtime_of_file(options.path), device_suffixes()
    for flag, written in (("--fix", options.fix), ("--model-explorer", options.model_explorer)):
        if written is not None and (options.baseline is None or not has_images):
            raise InputError(
                flag,
                "needs the model that the file was made of, and images",
                remedy="give --baseline and --data, or a file in its run folder",
            )
    for flag, other in (("--baseline", options.baseline), ("--beside", options.beside)):
        if other is None:
            continue
        if not has_images:
            raise InputError(flag, "needs images", remedy="give --data too")
        check_regular(other, flag)
        if not other.is_file():
            raise no_file(flag, other)
        if not (flag == "--baseline" or runtime_of_file(other).runs_on_devices):
            raise InputError(flag, f"{other} is not for a device", accepted=accepted)
    if options.baseline is not None:
        _check_baseline(options.baseline, runtime.format, is_converted=options.fix is not None)
    if "kernels" in runtime.model_fields:
        parse_options(runtime, {"kernels": options.kernels}, "--kernels")
    elif options.kernels != "xnnpack":
        raise InputError("--kernels", "is of .tflite files", remedy="leave it out")


def _check_baseline(path: Path, file_format: str, *, is_converted: bool) -> None:
    """Raise InputError for a model whose layers no file of a format has, or that no recipe takes.

    ``is_converted``: a recipe starts from it.
    """
    runtime = runtime_of_file(path)
    if runtime.runs_on_devices and runtime.format != file_format:
        raise InputError(
            str(path),
            f"cannot be compared with a .{file_format} file layer by layer",
            accepted=f"a .keras or .h5 file, or the float32 .{file_format} file of it",
        )
    if is_converted:
        importer_of(path)


def more_precise(options: DoctorOptions, file_format: str) -> str:
    """Return the remedy for layers that are too coarse; a technique with quantizers writes int8."""
    if options.baseline is not None and options.baseline.name == RETRAINED[1]:
        return TRAIN_LONGER
    possible = EXPORTERS.get(file_format, "format").precisions
    return next(remedy for precision, remedy in MORE_BITS.items() if precision in possible)
