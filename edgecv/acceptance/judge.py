"""A run against the limits of a lock: passed, failed or inconclusive."""

from collections.abc import Sequence

from edgecv.acceptance.changes import has_same_images, speed_is_comparable
from edgecv.acceptance.lock import DIGITS, AcceptedLimits, AcceptedSpeeds, Lock
from edgecv.acceptance.records import Change, Since
from edgecv.core.comparison import Comparison
from edgecv.core.paired_results import PairedAccuracy, PairedScores
from edgecv.core.plugins import Metric
from edgecv.core.report import Gate, Outcome, Report
from edgecv.core.text import counted
from edgecv.evaluation.gates import (
    NO_LABELS,
    ROUNDING,
    cannot_tell,
    most_gate,
    without_interval,
)
from edgecv.evaluation.paired_statistics import no_worse
from edgecv.evaluation.task_of import task_of

DATA = "accepted_data"
FILE = "accepted_file"
DROP = "accepted_drop_points"
DROP_BOUND = "accepted_drop_points_bound"
AGREEMENT = "accepted_agreement_drop_points"
BYTES = "accepted_bytes"
GZIP_BYTES = "accepted_gzip_bytes"
OF_ANSWERS = (DROP, DROP_BOUND, AGREEMENT)
"""Gates that are of a head, where the model has several."""
SPEEDUP = "accepted_speedup"
NO_SCORES = "the lock has no scores of its images, or of one image alone"


def judge_changes(
    lock: Lock,
    report: Report,
    changes: Sequence[Change],
    since: Since,
    asked_twins: frozenset[str] = frozenset(),
) -> list[Gate]:
    """Judge every artifact against the accepted one.

    Limits are for candidates, as in a run: ``asked_twins`` of its recipe are such.

    If the test images are others, a change of accuracy or agreement may come from the images alone:
    one gate is then inconclusive for both. Files, sizes and speeds are judged as usual.
    """
    gates = [_data(lock, report, since)]
    comparisons = {each.artifact.path: each for each in report.comparisons}
    twins = {path for path, each in comparisons.items() if each.is_twin}
    only_twins = twins == set(comparisons)
    for change in changes:
        gates += _file(change, since)
        comparison = comparisons.get(change.path)
        if comparison is None or change.accepted is None:
            continue
        if comparison.is_twin and not only_twins and change.path not in asked_twins:
            continue
        if has_same_images(lock, report):
            gates += _answers(change, lock, since, task_of(report).headline)
        gates += _sizes(change, lock.limits)
        if speed_is_comparable(lock, report):
            gates += _speed(change, comparison, lock.limits)
    return gates


def not_compared(lock: Lock, report: Report) -> tuple[str, ...]:
    """Return a sentence for each figure that cannot be compared with the accepted run."""
    sentences = []
    if not has_same_images(lock, report):
        sentences.append("accuracy and agreement, as the test data is not the accepted one")
    if lock.speed is not None and not speed_is_comparable(lock, report):
        sentences.append(_other_speeds(lock.speed, report))
    return tuple(sentences)


def _other_speeds(accepted: AcceptedSpeeds, report: Report) -> str:
    threads = sorted({each.latency.threads for each in report.comparisons if each.latency})
    if not threads:
        return "speed-ups, as nothing was timed"
    return (
        f"speed-ups: accepted on the machine {accepted.machine} with {accepted.threads} "
        f"threads, this is {report.machine} with {', '.join(map(str, threads))}"
    )


def pair_text(pair: PairedAccuracy | PairedScores, since: Since) -> str:
    """Describe how many images became wrong and how many right, or worse and better.

    >>> from edgecv.core.paired_results import NoWorse
    >>> pair = PairedAccuracy(
    ...     5000, 3557, 187, 193, 1063, 0.797, -0.12, (-0.9, 0.6), NoWorse(0.5, "cannot tell")
    ... )
    >>> pair_text(pair, Since("2026-11-24", None))
    'since 2026-11-24: 193 images became wrong, 187 became right (p = 0.8)'
    """
    worse, better = ("wrong", "right") if isinstance(pair, PairedAccuracy) else ("worse", "better")
    losses = counted(pair.losses or 0, "image")
    text = f"since {since}: {losses} became {worse}, {pair.wins:,} became {better}"
    return f"{text} (p = {pair.p_value:.2g})"


def _data(lock: Lock, report: Report, since: Since) -> Gate:
    if has_same_images(lock, report):
        return Gate(DATA, report.data.name, 0.0, None, "passed", f"the same since {since}")
    reason = (
        f"holds other test images than those accepted on {since}, so that accuracy and agreement "
        "cannot be compared"
    )
    return Gate(DATA, report.data.name, 0.0, None, "inconclusive", reason)


def _file(change: Change, since: Since) -> list[Gate]:
    if change.status == "not measured":
        return []  # The gate "runs" reports it.
    outcome: Outcome = {"missing": "failed", "new": "inconclusive"}.get(change.status, "passed")  # type: ignore[assignment]
    reason = {
        "missing": f"was accepted on {since} and is not in the run",
        "new": f"is not in the lock of {since}; accept it by an update",
        "changed": f"is another file since {since}",
        "same": f"is the same file since {since}",
    }[change.status]
    return [Gate(FILE, change.path, 0.0, None, outcome, reason)]


def _answers(change: Change, lock: Lock, since: Since, headline: Metric) -> list[Gate]:
    gates, limits = [], lock.limits
    if limits.max_drop_points is not None:
        gates.append(_drop(change, limits, limits.max_drop_points, since, headline))
    accepted, found = change.accepted, change.found
    before = None if accepted is None else accepted.flips
    now = None if found is None else found.flips
    if limits.max_agreement_drop_points is not None and before is not None and now is not None:
        lost = (now - before) / lock.data.images * 100  # The lock's agreement is rounded.
        gates.append(most_gate(AGREEMENT, change.path, limits.max_agreement_drop_points, lost))
    return gates


def _drop(
    change: Change, limits: AcceptedLimits, limit: float, since: Since, headline: Metric
) -> Gate:
    path = change.path
    on_point = limits.drop_on == "point"
    name = DROP if on_point else DROP_BOUND
    metric_lost = _metric_lost(change, headline)
    if change.same_answers and metric_lost <= ROUNDING:
        # No statistics: no answer changed, however few the images are.
        file = "the same file" if change.status == "same" else "another file"
        return Gate(name, path, limit, 0.0, "passed", f"{file} with the same answers")
    pair = change.pair
    if pair is None:
        is_known = change.found is not None and change.found.value is not None
        unknown = NO_SCORES if is_known else NO_LABELS
        return Gate(name, path, limit, None, "inconclusive", unknown)
    reason = pair_text(pair, since)
    if isinstance(pair, PairedScores) and change.accepted and change.found:
        then, now = (headline.text(each.value) for each in (change.accepted, change.found))
        reason = f"{headline.name} {then} -> {now}, held by the scores of the images; {reason}"
    if on_point:
        is_hidden = metric_lost > limit + ROUNDING
        lost = metric_lost if is_hidden else 0.0 - pair.difference_points
        outcome: Outcome = "passed" if lost <= limit + ROUNDING else "failed"
        return Gate(name, path, limit, lost, outcome, reason)
    found = no_worse(pair, limit)
    outcomes: dict[str, Outcome] = {"yes": "passed", "no": "failed", "cannot tell": "inconclusive"}
    if found.answer != "no" and metric_lost > max(limit + ROUNDING, 0.0 - pair.interval_points[0]):
        moved = "fell" if headline.higher_is_better else "rose"
        reason = f"{headline.name} {moved}, and the scores of the images do not show it; {reason}"
        return Gate(name, path, limit, metric_lost, "inconclusive", reason)
    if found.answer == "cannot tell":
        reason = f"{cannot_tell(found, pair.images)}; {reason}"
    lost = 0.0 - pair.interval_points[0]
    return Gate(name, path, limit, lost, outcomes[found.answer], reason)


def _metric_lost(change: Change, headline: Metric) -> float:
    """Return the points that a metric of the whole set lost; 0 where it gained, or is not known.

    Scores of images may not show it: boxes that nobody is shown count in the mAP alone. A metric
    with a unit of its own differs by no points: it is held by the scores alone, and 0 here.
    """
    if not headline.is_fraction:
        return 0.0
    before = None if change.accepted is None else change.accepted.value
    now = None if change.found is None else change.found.value
    if before is None or now is None:
        return 0.0
    return max(-headline.gain_points(round(now, DIGITS), before), 0.0)


def _sizes(change: Change, limits: AcceptedLimits) -> list[Gate]:
    accepted, found, growth = change.accepted, change.found, limits.max_growth_percent
    if growth is None or accepted is None or found is None:
        return []
    most = 1 + growth / 100
    return [
        most_gate(BYTES, change.path, accepted.bytes * most, found.bytes),
        most_gate(GZIP_BYTES, change.path, accepted.gzip_bytes * most, found.gzip_bytes),
    ]


def _speed(change: Change, comparison: Comparison, limits: AcceptedLimits) -> list[Gate]:
    """Judge a speed-up: below the limit it is inconclusive, with its whole interval it failed."""
    slowdown = limits.max_slowdown_percent
    before = None if change.accepted is None else change.accepted.speedup
    if slowdown is None or before is None:
        return []
    limit = before * (1 - slowdown / 100)
    now, interval = comparison.speedup, comparison.speedup_interval
    if now is None or interval is None:
        return [
            Gate(SPEEDUP, change.path, limit, None, "inconclusive", without_interval(comparison))
        ]
    low, high = interval
    outcome: Outcome = "passed" if now >= limit else "failed" if high < limit else "inconclusive"
    reason = f"accepted {before:g}, its 95% interval now is {low:.2f} to {high:.2f}"
    return [Gate(SPEEDUP, change.path, limit, now, outcome, reason)]
