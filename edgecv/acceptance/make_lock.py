"""The lock of a measured run."""

import subprocess
from datetime import date
from pathlib import Path

from edgecv.acceptance.answer_bits import (
    PackedScores,
    answers_sha256,
    packed,
    right_of,
    scores_of,
)
from edgecv.acceptance.lock import (
    DIGITS,
    AcceptedArtifact,
    AcceptedBaseline,
    AcceptedControl,
    AcceptedData,
    AcceptedHead,
    AcceptedLimits,
    AcceptedSpeed,
    AcceptedSpeeds,
    Lock,
)
from edgecv.analysis.validation_arrays import ValidationArrays
from edgecv.core.comparison import Comparison, Latency
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.core.report import Report
from edgecv.evaluation.limits import Limits
from edgecv.system.environment import PACKAGES
from edgecv.system.storage import tree_sha256

DECIDING = ("python", *PACKAGES)
"""Packages whose version may change the answers of the same file."""
LONGEST_VERSION = 200
GIT_SECONDS = 10


def accepted_run(
    name: str,
    report: Report,
    measured: ValidationArrays,
    *,
    limits: AcceptedLimits,
    gates: Limits,
    commit: str | None,
) -> Lock:
    """Return the lock of a run that was just measured. Raises InputError without a baseline."""
    if report.baseline is None or not report.comparisons:
        raise InputError(name, "has nothing to accept", accepted="a run with its baseline")
    tables = {
        "schema_version": 1,
        "name": name,
        "accepted": date.today(),
        "commit": commit,
        "limits": limits,
        "gates": gates,
        "data": AcceptedData(
            name=report.data.name,
            images=report.data.splits["test"].images,
            test_sha256=report.data.splits["test"].sha256,
        ),
        "baseline": AcceptedBaseline(
            sha256=tree_sha256(Path(report.baseline.path)),
            metric=report.baseline.metric,
            value=_rounded(report.baseline.value),
        ),
        "control": accepted_control(report),
        "artifacts": {each.artifact.path: _artifact(each, measured) for each in report.comparisons},
        "versions": versions(report),
        "speed": _speeds(report),
    }
    return parse_options(Lock, tables, name)


def accepted_control(report: Report) -> AcceptedControl | None:
    """Return the entry of the control of a run that was just measured; None without its score."""
    control, sha256 = report.control, control_sha256(report)
    if control is None or sha256 is None or not control.scores:
        return None
    value, decides = _rounded(control.scores[0].value), control.scores[0].decides
    return AcceptedControl.model_validate({"sha256": sha256, "value": value, "decides": decides})


def control_sha256(report: Report) -> str | None:
    """Return the SHA-256 of the control of a run that was just measured; None without one."""
    control = report.control
    return tree_sha256(Path(control.path)) if control is not None and control.path else None


def accepted_head(lock: Lock) -> AcceptedHead:
    """Return the answers of the one head that a lock was made of."""
    baseline = lock.baseline
    return AcceptedHead(metric=baseline.metric, value=baseline.value, artifacts=lock.artifacts)


def steady(new: Lock, old: Lock) -> Lock:
    """Return a new lock that keeps the old speed of each file that is the same.

    Machine, threads and versions must be the same too. A time varies from one measurement to the
    next: this way the diff shows real changes only, and a speed cannot drift by a few percent at
    each update.
    """
    before, now = old.speed, new.speed
    if before is None or now is None:
        return new
    if (before.machine, before.threads, old.versions) != (now.machine, now.threads, new.versions):
        return new
    kept = {
        path: speed
        for path, speed in before.artifacts.items()
        if path in new.artifacts
        and path in old.artifacts
        and new.artifacts[path].sha256 == old.artifacts[path].sha256
    }
    speeds = now.model_copy(update={"artifacts": {**now.artifacts, **kept}})
    return new.model_copy(update={"speed": speeds})


def versions(report: Report) -> dict[str, str]:
    """Return the package versions of a report, and the runtimes of a device."""
    devices = report.devices
    return {
        **{package: str(report.environment[package]) for package in DECIDING},
        **({"device": "; ".join(devices)[:LONGEST_VERSION]} if devices else {}),
    }


def commit_of(folder: Path) -> str | None:
    """Return the git commit that is checked out in a folder, None outside of a git checkout."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), "rev-parse", "HEAD"],
            capture_output=True,
            text=True,
            timeout=GIT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None  # Without git the date alone identifies the run.
    return done.stdout.strip() if done.returncode == 0 else None


def _artifact(comparison: Comparison, measured: ValidationArrays) -> AcceptedArtifact:
    artifact, statistics = comparison.artifact, comparison.statistics
    outputs, task = measured.outputs[artifact.path], measured.task
    right = right_of(outputs, measured.data.test_labels, task)
    scores = scores_of(outputs, measured.data.test_labels, task)
    if comparison.agreement is None or statistics is None:
        raise InputError(artifact.path, "was compared with no baseline")
    return AcceptedArtifact(
        sha256=artifact.sha256,
        bytes=artifact.bytes,
        gzip_bytes=artifact.gzip_bytes,
        value=_rounded(comparison.value),
        agreement=round(comparison.agreement, DIGITS),
        flips=statistics.flips.count,
        answers_sha256=answers_sha256(outputs, task),
        right=None if right is None else packed(right),
        scores=None if scores is None else PackedScores.of(scores),
    )


def _speeds(report: Report) -> AcceptedSpeeds | None:
    """Return the speeds of the timed files, None if nothing was timed."""
    threads = [each.latency.threads for each in report.comparisons if each.latency]
    if not threads:
        return None
    speeds = {
        each.artifact.path: _speed(each, each.latency)
        for each in report.comparisons
        if each.latency
    }
    return AcceptedSpeeds(machine=report.machine, threads=max(threads), artifacts=speeds)


def _speed(comparison: Comparison, latency: Latency) -> AcceptedSpeed:
    """Return times in three digits: more would be noise in every diff."""
    speedup = comparison.speedup
    return AcceptedSpeed(
        median_us=float(f"{latency.median_us:.3g}"),
        speedup=None if speedup is None else float(f"{speedup:.3g}"),
    )


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, DIGITS)
