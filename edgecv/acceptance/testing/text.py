"""The message of a failed assertion: the observed value, the images, the next step."""

from collections.abc import Sequence
from pathlib import Path
from shlex import quote

import numpy as np

from edgecv.acceptance.answer_bits import Right, right_of, scores_of, unpacked
from edgecv.acceptance.lock import AcceptedArtifact, Lock
from edgecv.acceptance.records import Change, Judgement
from edgecv.acceptance.testing.accepted_file import UPDATE
from edgecv.acceptance.testing.measured_pair import MeasuredPair
from edgecv.acceptance.text import advice, cells, changes_sentence, headings, sentence
from edgecv.core.data import Outputs
from edgecv.core.paired_results import Flips
from edgecv.core.report import Gate
from edgecv.core.text import printable_lines
from edgecv.evaluation.limits import evidence_of
from edgecv.formats.lookup import runtime_of_format
from edgecv.reports.gate_text import gate_sentence

MOST_IMAGES = 8
MOST_GROUPS = 3
THEN_AND_NOW = (3, 6, 7)
"""Columns of a judgement: the metric, the agreement, the bytes."""
Rows = list[tuple[str, str]]


def limit_text(pair: MeasuredPair, gate: Gate) -> str:
    """Return the message for a limit that is exceeded or undecided."""
    doubt = "inconclusive: " if gate.outcome == "inconclusive" else ""
    artifact, evidence = quote(pair.names[0]), evidence_of(gate.name)
    if evidence == "size":
        rows, following = _size_rows(pair), f"edgecv inspect {artifact} says what fills it"
    elif evidence == "time":
        rows, following = _time_rows(pair), f"edgecv doctor {artifact} says what is slow"
    else:
        rows, following = answer_rows(pair), _advice(pair, gate)
    return laid_out(
        f"{doubt}{gate_sentence(gate, pair.measured.task)}",
        [*rows, *_notes(pair), ("next", following)],
    )


def laid_out(headline: str, rows: Rows) -> str:
    """Return a headline with rows of two columns under it.

    >>> print(laid_out("too large", [("file", "a.tflite"), ("next", "make it smaller")]))
    too large
      file  a.tflite
      next  make it smaller
    """
    width = max(len(label) for label, _ in rows)
    lines = [headline, *(f"  {label:<{width}}  {text}" for label, text in rows)]
    return printable_lines("\n".join(lines))


def answer_rows(pair: MeasuredPair) -> Rows:
    """Return rows on the change of the answers: metric, images, groups of images."""
    comparison, statistics, measured = pair.comparison, pair.comparison.statistics, pair.measured
    rows = [("compared", _compared(pair))]
    if statistics is None:
        return rows
    found = statistics.difference
    if found is not None:
        low, high = found.interval_points
        chance = "" if found.p_value is None else f", p = {found.p_value:.2g}"
        headline = pair.measured.task.headline
        rows.append(
            (
                comparison.metric,
                f"{headline.text(comparison.baseline_value)} -> {headline.text(comparison.value)}, "
                f"{found.difference_points:+.2f} points (95% interval {low:+.2f} to "
                f"{high:+.2f}{chance})",
            )
        )
    rows += _flip_rows(statistics.flips)
    return [*rows, *_lost_rows(pair, _right(pair, measured.baseline))]


def images_text(places: Sequence[int]) -> str:
    """Return the number of images and the numbers of the first.

    >>> images_text([4]), images_text(range(20, 30))
    ('1 image: 4', '10 images: 20, 21, 22, 23, 24, 25, 26, 27 and 2 more')
    >>> images_text([])
    '0 images'
    """
    count = f"{len(places):,} image{'' if len(places) == 1 else 's'}"
    if not places:
        return count
    rest = f" and {len(places) - MOST_IMAGES:,} more" if len(places) > MOST_IMAGES else ""
    return f"{count}: {', '.join(map(str, places[:MOST_IMAGES]))}{rest}"


def nothing_text(pair: MeasuredPair, entry: str, path: Path) -> str:
    """Return the message for a comparison without an accepted entry."""
    shown = pair.setting.shown(path)
    what = f'has no entry "{entry}"' if path.exists() else "is not there yet"
    rows: Rows = []
    for head in pair.measured.task.heads():
        rows += [("head", head.name)] if head.name else []
        rows += answer_rows(pair.of_head(head.name))
    return laid_out(
        f"{pair.names[0]}: nothing was accepted so far: {shown} {what}",
        [*rows, *_notes(pair), ("next", f"{UPDATE}, and commit {shown}")],
    )


def changed_text(pair: MeasuredPair, judgement: Judgement, lock: Lock | None) -> str:
    """Return the message for a comparison that is worse than the accepted one, or refused."""
    worse = [gate for gate in judgement.gates if gate.outcome != "passed"]
    worse.sort(key=lambda gate: gate.outcome != "failed")
    doubt = "inconclusive: " if judgement.outcome == "inconclusive" else ""
    first, *others = (sentence(gate, pair.measured.task) for gate in worse)
    rows = [("also", each) for each in others]
    rows += [("compared", _compared(pair)), ("since", changes_sentence(judgement))]
    for change in judgement.artifacts:
        if change.head:
            rows.append(("head", change.head))
        rows += _then_rows(change, judgement)
        if lock is not None and change.pair is not None:
            of_head = lock.of_head(change.head)
            rows += _became_rows(pair.of_head(change.head), of_head.artifacts[change.path])
    rows += _notes(pair)
    if judgement.update == "refused":
        rows.append(("refused", f"{judgement.lock} was not written"))
    rows += [("next", each) for each in advice(judgement, update=UPDATE, data="data")]
    return laid_out(f"{doubt}{first}", rows)


def _compared(pair: MeasuredPair) -> str:
    artifact, baseline, data = pair.names
    images = len(pair.measured.data.test)
    return f"{artifact} with {baseline} on {data}, {images:,} test images"


def _flip_rows(flips: Flips) -> Rows:
    rows = []
    if flips.wins or flips.losses or flips.both_wrong:
        rows += [
            ("became right", images_text(flips.wins)),
            ("became wrong", images_text(flips.losses)),
        ]
    text = f"{flips.count:,} images get another answer ({flips.fraction:.2%})"
    if flips.unjudged:
        text += f": {images_text(flips.unjudged)}"
    if flips.count:
        text += "; images are counted from 0 in the test split"
    return [*rows, ("answers", text)]


def _size_rows(pair: MeasuredPair) -> Rows:
    artifact = pair.comparison.artifact
    size = f"{artifact.bytes:,} bytes, {artifact.gzip_bytes:,} after gzip -9"
    return [("file", f"{artifact.path}, {size}, SHA-256 {artifact.sha256[:10]}")]


def _time_rows(pair: MeasuredPair) -> Rows:
    latency = pair.comparison.latency
    if latency is None:
        return []
    times = f"{latency.median_us:,.1f} us in the median, {latency.p95_us:,.1f} us at the 95th"
    return [("timed", f"{times} percentile, {latency.runs:,} runs, threads: {latency.threads}")]


def _notes(pair: MeasuredPair) -> Rows:
    return [("note", each) for each in pair.report.notes]


def _advice(pair: MeasuredPair, gate: Gate) -> str:
    artifact, baseline, data = map(quote, pair.names)
    if gate.outcome == "inconclusive":
        return "compare on more test images, or allow what so many can tell"
    options = f"{artifact} --baseline {baseline} --data {data}"
    if not runtime_of_format(pair.comparison.artifact.format).runs_on_devices:
        return f"edgecv validate {options} says more"
    return f"edgecv doctor {options} names the layer that causes it"


def _then_rows(change: Change, judgement: Judgement) -> Rows:
    found = zip(headings(judgement), cells(change, judgement), strict=True)
    rows = [row for column, row in enumerate(found) if column in THEN_AND_NOW]
    return [(heading, cell) for heading, cell in rows if cell != "-"]


def _became_rows(pair: MeasuredPair, accepted: AcceptedArtifact) -> Rows:
    """Return rows with the images that became right or better, and those that became worse."""
    if accepted.scores is not None:
        measured = pair.measured
        scores = scores_of(_answers(pair), measured.data.test_labels, measured.task)
        if scores is None:
            return []
        gains = accepted.scores.rounded(scores) - accepted.scores.unpacked(len(scores))
        return [
            ("became better", images_text(np.flatnonzero(gains > 0).tolist())),
            ("became worse", images_text(np.flatnonzero(gains < 0).tolist())),
        ]
    now = _right(pair, _answers(pair))
    if now is None or accepted.right is None:
        return []
    before = unpacked(accepted.right, len(now))
    return [
        ("became right", images_text(np.flatnonzero(now & ~before).tolist())),
        ("became wrong", images_text(np.flatnonzero(before & ~now).tolist())),
        *_lost_rows(pair, before),
    ]


def _lost_rows(pair: MeasuredPair, before: Right | None) -> Rows:
    """Return a row with the groups of images, such as classes, that lost most."""
    measured, targets = pair.measured, pair.measured.data.test_labels
    now = _right(pair, _answers(pair))
    if now is None or before is None or targets is None:
        return []
    lost = measured.task.lost_groups(now, before, targets, pair.report.data.classes)
    label = f"worst {measured.task.terms.groups}"
    return [(label, "; ".join(lost[:MOST_GROUPS]))] if lost else []


def _answers(pair: MeasuredPair) -> Outputs:
    (outputs,) = pair.measured.outputs.values()
    return outputs


def _right(pair: MeasuredPair, outputs: Outputs | None) -> Right | None:
    if outputs is None:
        return None
    return right_of(outputs, pair.measured.data.test_labels, pair.measured.task)
