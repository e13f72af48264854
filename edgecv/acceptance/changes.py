"""Differences from the accepted run: files, answers, data, baseline, versions."""

from collections.abc import Collection, Mapping

from edgecv.acceptance.answer_bits import answers_sha256, right_of, scores_of, unpacked
from edgecv.acceptance.lock import AcceptedArtifact, Lock
from edgecv.acceptance.make_lock import control_sha256, versions
from edgecv.acceptance.records import Change, Figures, Status
from edgecv.analysis.validation_arrays import ValidationArrays
from edgecv.core.comparison import Comparison
from edgecv.core.data import Outputs
from edgecv.core.paired_results import PairedAccuracy, PairedScores
from edgecv.core.report import Report
from edgecv.core.text import counted
from edgecv.evaluation.paired_statistics import DEFAULT_MARGIN_POINTS
from edgecv.evaluation.statistics.binary_scores import paired_accuracy
from edgecv.evaluation.statistics.real_scores import paired_scores
from edgecv.evaluation.task_of import task_of

FIRST_DIGITS = 10


def artifact_changes(
    lock: Lock, report: Report, measured: ValidationArrays, broken: Collection[str]
) -> tuple[Change, ...]:
    """Return a change for each artifact of the lock or of the run; new ones come last.

    ``broken``: the files that could not be measured, which the report of one head does not name.
    """
    found = {each.artifact.path: each for each in report.comparisons}
    paths = dict.fromkeys((*sorted(lock.artifacts), *found, *sorted(broken)))
    return tuple(_change(path, lock, found, broken, measured) for path in paths)


def has_same_images(lock: Lock, report: Report) -> bool:
    """Return True if the test images are those of the accepted run."""
    return report.data.splits["test"].sha256 == lock.data.test_sha256


def speed_is_comparable(lock: Lock, report: Report) -> bool:
    """Return True if speed-ups come from the same kind of machine and number of threads."""
    speed = lock.speed
    if speed is None:
        return False
    threads = {each.latency.threads for each in report.comparisons if each.latency}
    return report.machine == speed.machine and threads == {speed.threads}


def other_changes(lock: Lock, report: Report, baseline_sha256: str) -> tuple[str, ...]:
    """Return a sentence for each change of the data, the baseline and the versions."""
    sentences = []
    test = report.data.splits["test"]
    if not has_same_images(lock, report):
        sentences.append(
            f"the test data is not the accepted one: {lock.data.name}, {lock.data.images:,} "
            f"images, SHA-256 {_short(lock.data.test_sha256)} -> {report.data.name}, "
            f"{counted(test.images, 'image')}, {_short(test.sha256)}"
        )
    if baseline_sha256 != lock.baseline.sha256:
        sentences.append(
            f"the baseline is another one: SHA-256 {_short(lock.baseline.sha256)} -> "
            f"{_short(baseline_sha256)}{_value_change(lock, report)}"
        )
    before, control = lock.control, control_sha256(report)
    if before is None and control is not None:
        sentences.append("there is a control now, and the accepted run had none")
    elif before is not None and control is None:
        sentences.append("the control of the accepted run is gone")
    elif before is not None and control is not None and before.sha256 != control:
        hashes = f"{_short(before.sha256)} -> {_short(control)}"
        sentences.append(f"the control is another one: SHA-256 {hashes}")
    now = versions(report)
    for package in sorted({*now, *lock.versions}):
        old, new = lock.versions.get(package, "none"), now.get(package, "none")
        if old != new:
            sentences.append(f"{package} {old} -> {new}")
    return tuple(sentences)


def change_sentence(change: Change) -> str:
    """Describe the change of one file; empty for the same file with the same answers."""
    copy = f", the same bytes as {change.copy_of}" if change.copy_of else ""
    if change.status == "same":
        text = f"{change.label} is the same file and gives other answers"
        return text if change.same_answers is False else ""
    if change.status == "changed" and change.accepted and change.found:
        before, after = _short(change.accepted.sha256), _short(change.found.sha256)
        same = ", with the same answers" if change.same_answers else ""
        return f"{change.label} is another file: SHA-256 {before} -> {after}{copy}{same}"
    text = {
        "missing": "is gone",
        "new": f"is new{copy}",
        "not measured": "could not be measured",
    }[change.status]
    return f"{change.label} {text}"


def _change(
    path: str,
    lock: Lock,
    found: Mapping[str, Comparison],
    broken: Collection[str],
    measured: ValidationArrays,
) -> Change:
    accepted, comparison = lock.artifacts.get(path), found.get(path)
    then, now = _then(path, lock), None if comparison is None else _now(comparison)
    if now is None:
        return Change(path, "not measured" if path in broken else "missing", then, None)
    copies = [
        other
        for other, each in found.items()
        if other != path and each.artifact.sha256 == now.sha256
    ]
    copy_of = copies[0] if copies else None
    if accepted is None:
        return Change(path, "new", None, now, copy_of=copy_of)
    status: Status = "same" if accepted.sha256 == now.sha256 else "changed"
    if measured.data.test.sha256 != lock.data.test_sha256:
        return Change(path, status, then, now, copy_of=copy_of)
    outputs = measured.outputs[path]
    return Change(
        path,
        status,
        then,
        now,
        same_answers=answers_sha256(outputs, measured.task) == accepted.answers_sha256,
        pair=_pair(accepted, outputs, measured, lock),
        copy_of=copy_of,
    )


def _pair(
    accepted: AcceptedArtifact, outputs: Outputs, measured: ValidationArrays, lock: Lock
) -> PairedAccuracy | PairedScores | None:
    """Compare the images with what they were when accepted: right or wrong, or their scores."""
    task, targets, images = measured.task, measured.data.test_labels, lock.data.images
    limit = lock.limits.max_drop_points
    margin = DEFAULT_MARGIN_POINTS if limit is None else limit
    right, scores = right_of(outputs, targets, task), scores_of(outputs, targets, task)
    if right is not None and accepted.right is not None:
        return paired_accuracy(right, unpacked(accepted.right, images), margin)
    if scores is None or accepted.scores is None or images < 2:  # One image has no interval.
        return None
    now, before = accepted.scores.rounded(scores), accepted.scores.unpacked(images)
    gains = (now - before) * task.headline.points
    return paired_scores(lambda rows: float(gains[rows].mean()), now, before, margin)


def _then(path: str, lock: Lock) -> Figures | None:
    artifact = lock.artifacts.get(path)
    if artifact is None:
        return None
    speed = None if lock.speed is None else lock.speed.artifacts.get(path)
    return Figures(
        sha256=artifact.sha256,
        bytes=artifact.bytes,
        gzip_bytes=artifact.gzip_bytes,
        value=artifact.value,
        agreement=artifact.agreement,
        flips=artifact.flips,
        median_us=None if speed is None else speed.median_us,
        speedup=None if speed is None else speed.speedup,
    )


def _now(comparison: Comparison) -> Figures:
    statistics = comparison.statistics
    return Figures(
        sha256=comparison.artifact.sha256,
        bytes=comparison.artifact.bytes,
        gzip_bytes=comparison.artifact.gzip_bytes,
        value=comparison.value,
        agreement=comparison.agreement,
        flips=None if statistics is None else statistics.flips.count,
        median_us=None if comparison.latency is None else comparison.latency.median_us,
        speedup=comparison.speedup,
    )


def _value_change(lock: Lock, report: Report) -> str:
    """Return how good the baseline was and is, on the same images; empty where it is not known."""
    before, baseline = lock.baseline.value, report.baseline
    now = None if baseline is None else baseline.value
    if before is None or now is None or not has_same_images(lock, report):
        return ""
    texts = [task_of(report).headline.text(each) for each in (before, now)]
    return f", {lock.baseline.metric} {' -> '.join(dict.fromkeys(texts))}"


def _short(sha256: str) -> str:
    return sha256[:FIRST_DIGITS]
