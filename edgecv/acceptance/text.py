"""The text of a judgement: a sentence a gate, the verdict, the cells of a table, next steps."""

from collections.abc import Callable, Sequence
from shlex import quote
from typing import Any

from edgecv.acceptance.judge import (
    AGREEMENT,
    BYTES,
    DATA,
    DROP,
    DROP_BOUND,
    FILE,
    GZIP_BYTES,
    SPEEDUP,
)
from edgecv.acceptance.records import Change, Figures, Judgement
from edgecv.core.plugins import Task
from edgecv.core.report import Gate
from edgecv.evaluation.task_of import task_of
from edgecv.reports.gate_text import gain_text, gate_sentence
from edgecv.reports.verdict import joined, percent

MEASURES = {
    DROP: "points lost against the accepted run",
    DROP_BOUND: "points lost against the accepted run, at the worse end of the 95% interval",
    AGREEMENT: "points of agreement with the baseline lost",
    BYTES: "bytes",
    GZIP_BYTES: "bytes after gzip -9",
    SPEEDUP: "times faster than the float32 twin",
}
UPDATE = "edgecv gate {run} --update --against {lock}"
WORST_FIRST = ("failed", "inconclusive", "passed")


def headings(judgement: Judgement) -> tuple[str, ...]:
    """Return the headings of the table of a judgement."""
    task = task_of(judgement.report)
    worse, better = ("wrong", "right") if task.has_binary_scores else ("worse", "better")
    return (
        "artifact",
        "file",
        "verdict",
        task.headline.name if len(task.heads()) == 1 else "metric",
        f"became {worse}",
        f"became {better}",
        "agreement",
        "bytes",
        "speed-up",
    )


def sentence(gate: Gate, task: Task) -> str:
    """Return a sentence with the observed value of a gate and its limit."""
    if gate.name in (DATA, FILE):
        return f"{gate.artifact} {gate.reason}"
    if gate.name not in MEASURES:
        return gate_sentence(gate, task)
    measure, reason = MEASURES[gate.name], f"; {gate.reason}" if gate.reason else ""
    if gate.observed is None:
        return f"{gate.label}: {measure} not known{reason}"
    # Points are shown with two digits, bytes as whole numbers.
    if gate.name in (BYTES, GZIP_BYTES):
        return f"{gate.label}: {gate.observed:,.0f} {measure}, limit {gate.limit:,.0f}{reason}"
    if gained := gain_text(measure, gate, lambda value: f"{value:.2f}"):
        return f"{gate.label}: {gained}{reason}"
    return f"{gate.label}: {gate.observed + 0.0:.2f} {measure}, limit {gate.limit:.2f}{reason}"


def verdict_line(judgement: Judgement) -> str:
    """Return the verdict in one line: the failed gates, and the changes since the accepted run."""
    if judgement.update == "written":
        return f"ACCEPTED: {_accepted(judgement)}"
    parts, task = [], task_of(judgement.report)
    for outcome, lead in (("failed", ""), ("inconclusive", "inconclusive: ")):
        gates = [gate for gate in judgement.gates if gate.outcome == outcome]
        if gates:
            parts.append(lead + joined([sentence(gate, task) for gate in gates]))
    if not parts:
        parts = [f"nothing is worse than what was accepted on {judgement.since}"]
    if judgement.update == "refused":
        parts.append(f"{judgement.lock} was not written")
    parts.append(changes_sentence(judgement))
    end = "\n" if any("\n" in part for part in parts) else ". "
    return f"{judgement.outcome.upper()}: {end.join(parts)}"


def changes_sentence(judgement: Judgement) -> str:
    """Return one sentence with all changes since the accepted run."""
    if not judgement.changes:
        return f"Nothing changed since {judgement.since}"
    return f"Changed since {judgement.since}: {'; '.join(judgement.changes)}"


def _accepted(judgement: Judgement) -> str:
    if judgement.is_first:
        files = len({each.path for each in judgement.artifacts})
        return f"{files} files of {judgement.name}, written to {judgement.lock}; commit it"
    worse = [gate for gate in judgement.gates if gate.outcome != "passed"]
    task = task_of(judgement.report)
    sentences = "; ".join(sentence(gate, task) for gate in worse)
    by_limits = f" Against its limits: {sentences}." if worse else ""
    return f"written to {judgement.lock}. {changes_sentence(judgement)}.{by_limits}"


def advice(judgement: Judgement, *, update: str = UPDATE, data: str = "--data") -> list[str]:
    """Return the next steps. ``update``: the command that accepts, ``data``: the images' option."""
    lock = judgement.lock
    if judgement.update == "written":
        return [f"Commit {lock}: its diff is what was accepted."]
    if judgement.update == "refused":
        return [
            "A run that fails by itself is not accepted: compress it anew, or edit the limits of "
            "[gates], in the recipe before there is a lock."
        ]
    found: list[str] = []
    names = {gate.name for gate in judgement.gates if gate.outcome != "passed"}
    if "runs" in names:
        found.append("A file could not be measured: make it again by edgecv compress.")
    if DATA in names:
        found.append(f"Give {data} with the accepted test images, so that accuracy is compared.")
    copies = [each for each in judgement.artifacts if each.copy_of and each.status != "same"]
    found += dict.fromkeys(
        f"{each.path} is a copy of {each.copy_of}: make it again by edgecv compress."
        for each in copies
    )
    if judgement.outcome == "inconclusive" and DROP_BOUND in names:
        found.append(
            "Measure on more test images. Where there are few, a larger max_drop_points, or"
            f' drop_on = "point" for the measured difference alone, under [limits] of {lock}.'
        )
    if judgement.outcome != "passed":
        command = update.format(run=quote(judgement.folder), lock=quote(lock))
        found.append(f"If the change is wanted: {command}, and commit {lock}.")
    return found


def cells(change: Change, judgement: Judgement) -> tuple[str, ...]:
    """Return the cells of an artifact under ``headings``: accepted -> now."""
    task = task_of(judgement.report)
    pair, headline = change.pair, task.head_called(change.head).task.headline
    value = _then_now(change, lambda each: each.value, headline.text)
    return (
        change.label,
        change.status if not change.copy_of else f"{change.status}, = {change.copy_of}",
        outcome_of(change, judgement.gates),
        value if len(task.heads()) == 1 else f"{headline.name} {value}",
        "-" if pair is None else f"{pair.losses:,}",
        "-" if pair is None else f"{pair.wins:,}",
        _then_now(change, lambda each: each.agreement, percent),
        _then_now(change, lambda each: each.bytes, lambda value: f"{value:,}"),
        _then_now(change, lambda each: each.speedup, lambda value: f"{value:.3g}"),
    )


def changed_first(judgement: Judgement) -> list[Change]:
    """Return the artifacts: the worst verdict first, then those that changed."""

    def place(change: Change) -> tuple[int, bool]:
        outcome = outcome_of(change, judgement.gates)
        return WORST_FIRST.index(outcome), change.status == "same"

    return sorted(judgement.artifacts, key=place)


def outcome_of(change: Change, gates: Sequence[Gate]) -> str:
    """Return the worst outcome of the gates on one artifact."""
    own = [gate for gate in gates if gate.artifact == change.path]
    outcomes = {gate.outcome for gate in own if gate.head in ("", change.head)}
    return next((each for each in WORST_FIRST if each in outcomes), "passed")


def _then_now(change: Change, figure: Callable[[Figures], Any], write: Callable[[Any], str]) -> str:
    """Return a figure as "accepted -> now", once if both are the same.

    >>> _then_now(Change("a.tflite", "missing", None, None), lambda each: each.bytes, str)
    '-'
    """
    values = [each and figure(each) for each in (change.accepted, change.found)]
    texts = ["-" if value is None else write(value) for value in values]
    return texts[0] if texts[0] == texts[1] else " -> ".join(texts)
