"""The file that is deployed, and the validation that proves it on this machine."""

import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from edgecv.analysis.described_files import report_in
from edgecv.analysis.options import DeployOptions, ValidateOptions
from edgecv.analysis.validate_request import ValidationRequest
from edgecv.core.errors import InputError, unknown_name
from edgecv.core.plugins import Target
from edgecv.core.registry import TARGETS
from edgecv.core.report import Report
from edgecv.core.text import listed
from edgecv.datasets.noise import Noise
from edgecv.evaluation.comparison import is_twin
from edgecv.evaluation.limits import Limits
from edgecv.formats.lookup import device_suffixes
from edgecv.pipeline.measure import MeasuredFile
from edgecv.pipeline.recipe.options import TargetOptions
from edgecv.system.environment import environment

TIMES = ("min_speedup", "max_latency_us")
"""Limits on time that a run was made with: they are for the machine that made it."""


def parse_target(options: DeployOptions) -> Target:
    """Return the target of ``--to NAME`` or ``--to NAME:TEXT``. Raises InputError."""
    if options.to is None:
        accepted = ", ".join(TARGETS.classes)
        raise InputError("--to", "is needed: where to", accepted=accepted)
    return options.target_of(options.to, "--to")


def check_one(paths: Sequence[Path]) -> None:
    """Raise InputError for none or several paths."""
    if len(paths) != 1:
        raise InputError("RUN", f"{len(paths)} are given", accepted="one run, or one file")


def request_of_deployment(
    options: DeployOptions, target: Target
) -> tuple[ValidationRequest, MeasuredFile, Report | None]:
    """Return the validation of the file to deploy, that file, and the report of its run.

    Raises InputError for a run that is not what was written, and where no file of it fits.
    """
    path = options.paths[0]
    is_run = path.is_dir()
    baseline = options.baseline
    if not is_run and baseline is None:
        baseline = path  # Compared with itself on this machine.
    given = options.model_fields_set & ValidateOptions.model_fields.keys()
    shared = {name: getattr(options, name) for name in given - TargetOptions.model_fields.keys()}
    if not is_run and options.data in (None, Noise.name):
        # The device is held to this machine's numbers.
        shared = {"task": ("outputs",), **shared, "data": Noise.name}
    request = ValidateOptions(**shared | {"baseline": baseline}).request()
    request.images_source()  # Refused before anything is opened or reached.
    report = report_in(path) if is_run else None
    if report is not None:
        file = _chosen(request.files, options.artifact, target, path)
    elif options.artifact is not None:
        raise InputError("--artifact", "is for the folder of a run", remedy="leave it out")
    else:
        (file,) = request.files
    _check_suffix(file.path)
    twins = [
        each
        for each in request.files
        if is_run and is_twin(each.artifact) and each.artifact.format == file.artifact.format
    ]
    files = tuple(dict.fromkeys([*twins, file]))
    unproven = tuple(each for each in request.unproven if each in files)
    request = replace(
        request,
        files=files,
        unproven=unproven,
        images=options.images,
        asked_twins=request.asked_twins & {file.artifact.path},
    )
    return _with_arithmetic(request, target, options), file, report


def _with_arithmetic(
    request: ValidationRequest, target: Target, options: DeployOptions
) -> ValidationRequest:
    """Return a request that measures on this machine with the kernels that a target computes as.

    Limits on time that a run was made with are for the kernels that it was made with.
    """
    if target.arithmetic is None:
        return request
    settings = request.settings.model_copy(update={"kernels": target.arithmetic})
    return replace(request, settings=settings, limits=limits_without_times(request.limits, options))


def limits_without_times(limits: Limits, options: DeployOptions) -> Limits:
    """Return limits without those on time, unless they are given to this deployment."""
    given = options.changed(Limits())
    return limits.without([name for name in TIMES if getattr(given, name) is None])


def limits_there(limits: Limits, options: DeployOptions) -> Limits:
    """Return the limits that the row of the device is held to.

    A speed-up is judged on this machine alone: the float32 twin does not run on the device.
    """
    found = limits_without_times(limits, options).without(["min_speedup"])
    return found.model_copy(update={"latency_machine": None})  # A given one is for it.


def limits_here(limits: Limits, options: DeployOptions) -> Limits:
    """Return the limits that a file is held to on this machine: a given latency is the device's."""
    is_given = options.changed(Limits()).max_latency_us is not None
    return limits.without(["max_latency_us"]) if is_given else limits


def _chosen(
    files: Sequence[MeasuredFile], asked: str | None, target: Target, run: Path
) -> MeasuredFile:
    """Return the file of a run that is asked for, else its candidate in the target's format."""
    names = {file.artifact.path: file for file in files}
    if asked is not None:
        if asked not in names:
            raise unknown_name("--artifact", f'{run} has no "{asked}"', asked, names)
        return names[asked]
    fitting: list[MeasuredFile] = []
    for kind in target.formats:
        of_kind = [file for file in files if file.artifact.format == kind]
        fitting = [file for file in of_kind if not is_twin(file.artifact)] or of_kind
        if fitting:
            break
    if len(fitting) > 1:
        several = listed([file.artifact.path for file in fitting])
        raise InputError(
            "--artifact",
            f"{run} has {several}",
            accepted="one of them",
            remedy=f"--artifact {fitting[0].artifact.path}",
        )
    return fitting[0] if fitting else files[0]  # The target refuses it by its format.


def _check_suffix(path: Path) -> None:
    if path.suffix.lower() not in device_suffixes().split(", "):
        raise InputError(
            str(path), "is no file for a device", accepted=f"a run, or {device_suffixes()}"
        )


def _commit(folder: Path) -> str | None:
    """Return the commit of the repository that a folder is in; None where there is none."""
    command = ["git", "-C", str(folder), "rev-parse", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def origin_of(file: MeasuredFile, report: Report | None) -> dict[str, Any]:
    """Return where a file comes from, as plain values."""
    artifact = file.artifact
    origin: dict[str, Any] = {
        "artifact": Path(artifact.path).name,
        "precision": artifact.precision,
        "bytes": artifact.bytes,
        "sha256": artifact.sha256,
        "edgecv": environment()["edgecv"],
        "commit": _commit(file.path.parent),
    }
    if report is not None:
        origin |= {
            "run": report.name,
            "outcome": report.outcome,
            "recipe": dict(report.recipe),
            "baseline_sha256": None if report.baseline is None else report.baseline.sha256,
            "test_sha256": report.data.splits["test"].sha256,
            "environment": dict(report.environment),
        }
    return origin
