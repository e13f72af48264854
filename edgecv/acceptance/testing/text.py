"""Why an assertion does not hold, in words: what was seen, on which images, what to do next."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgecv.acceptance.answer_bits import right_of, unpacked
from edgecv.acceptance.lock import Lock
from edgecv.acceptance.records import Change, Judgement
from edgecv.acceptance.testing.accepted_file import UPDATE
from edgecv.acceptance.testing.measured_pair import MeasuredPair
from edgecv.acceptance.text import HEADINGS, advice, cells, changes_sentence, sentence
from edgecv.core.paired_results import ClassDifference, Flips
from edgecv.core.records import UNKNOWN_LABEL, Gate
from edgecv.evaluation.limits import evidence_of
from edgecv.evaluation.per_class import class_differences
from edgecv.reports.paired_comparison import class_words
from edgecv.reports.verdict import gate_sentence, percent

MOST_IMAGES = 8
MOST_CLASSES = 3
THEN_AND_NOW = ("accuracy", "agreement", "bytes")
Rows = list[tuple[str, str]]


def limit_words(pair: MeasuredPair, gate: Gate) -> str:
    """Explain a limit that does not hold."""
    doubt = "inconclusive: " if gate.outcome == "inconclusive" else ""
    evidence = evidence_of(gate.name)
    if evidence == "size":
        rows, following = _size_rows(pair), f"edgecv inspect {pair.names[0]} says what fills it"
    elif evidence == "time":
        rows, following = _time_rows(pair), f"edgecv doctor {pair.names[0]} says what is slow"
    else:
        rows, following = answer_rows(pair), _advice(pair, gate)
    return laid_out(f"{doubt}{gate_sentence(gate)}", [*rows, *_notes(pair), ("next", following)])


def laid_out(headline: str, rows: Rows) -> str:
    """Return a headline and what stands under it, in two columns.

    >>> print(laid_out("too large", [("file", "a.tflite"), ("next", "make it smaller")]))
    too large
      file  a.tflite
      next  make it smaller
    """
    width = max(len(label) for label, _ in rows)
    return "\n".join([headline, *(f"  {label:<{width}}  {words}" for label, words in rows)])


def answer_rows(pair: MeasuredPair) -> Rows:
    """Say what became of the answers: accuracy, images, classes."""
    comparison, statistics = pair.comparison, pair.comparison.statistics
    rows = [("compared", _compared(pair))]
    if statistics is None:
        return rows
    accuracy = statistics.accuracy
    if accuracy is not None:
        low, high = accuracy.interval_points
        rows.append(
            (
                comparison.metric,
                f"{percent(comparison.baseline_value)} -> {percent(comparison.value)}, "
                f"{accuracy.difference_points:+.2f} points (95% interval {low:+.2f} to "
                f"{high:+.2f}, p = {accuracy.p_value:.2g})",
            )
        )
    rows += _flip_rows(statistics.flips)
    return [*rows, *_class_rows(statistics.classes, pair)]


def images_words(places: Sequence[int]) -> str:
    """Count images and name the first of them.

    >>> images_words([4]), images_words(range(20, 30))
    ('1 image: 4', '10 images: 20, 21, 22, 23, 24, 25, 26, 27 and 2 more')
    >>> images_words([])
    '0 images'
    """
    words = f"{len(places):,} image{'' if len(places) == 1 else 's'}"
    if not places:
        return words
    rest = f" and {len(places) - MOST_IMAGES:,} more" if len(places) > MOST_IMAGES else ""
    return f"{words}: {', '.join(map(str, places[:MOST_IMAGES]))}{rest}"


def nothing_words(pair: MeasuredPair, entry: str, path: Path) -> str:
    """Say that nothing was accepted yet."""
    shown = pair.setting.shown(path)
    what = f'has no entry "{entry}"' if path.exists() else "is not there yet"
    return laid_out(
        f"{pair.names[0]}: nothing was accepted so far: {shown} {what}",
        [*answer_rows(pair), *_notes(pair), ("next", f"{UPDATE}, and commit {shown}")],
    )


def changed_words(pair: MeasuredPair, judgement: Judgement, lock: Lock | None) -> str:
    """Explain what is worse than it was accepted, or why it was not accepted."""
    worse = [gate for gate in judgement.gates if gate.outcome != "passed"]
    worse.sort(key=lambda gate: gate.outcome != "failed")
    doubt = "inconclusive: " if judgement.outcome == "inconclusive" else ""
    first, *others = map(sentence, worse)
    rows = [("also", each) for each in others]
    rows += [("compared", _compared(pair)), ("since", changes_sentence(judgement))]
    for change in judgement.artifacts:
        rows += _then_rows(change, judgement)
        if lock is not None and change.pair is not None:
            rows += _became_rows(pair, lock.artifacts[change.path].right or "")
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
            ("became right", images_words(flips.wins)),
            ("became wrong", images_words(flips.losses)),
        ]
    words = f"{flips.count:,} images get another answer ({flips.fraction:.2%})"
    if flips.unjudged:
        words += f": {images_words(flips.unjudged)}"
    if flips.count:
        words += "; images are counted from 0 in the test split"
    return [*rows, ("answers", words)]


def _size_rows(pair: MeasuredPair) -> Rows:
    artifact = pair.comparison.artifact
    words = f"{artifact.bytes:,} bytes, {artifact.gzip_bytes:,} after gzip -9"
    return [("file", f"{artifact.path}, {words}, SHA-256 {artifact.sha256[:10]}")]


def _time_rows(pair: MeasuredPair) -> Rows:
    latency = pair.comparison.latency
    if latency is None:
        return []
    words = f"{latency.median_us:,.1f} us in the median, {latency.p95_us:,.1f} us at the 95th"
    return [("timed", f"{words} percentile, {latency.runs:,} runs, threads: {latency.threads}")]


def _notes(pair: MeasuredPair) -> Rows:
    return [("note", each) for each in pair.report.notes]


def _advice(pair: MeasuredPair, gate: Gate) -> str:
    artifact, baseline, data = pair.names
    if gate.outcome == "inconclusive":
        return "compare on more test images, or allow what so many can tell"
    options = f"{artifact} --baseline {baseline} --data {data}"
    if pair.comparison.artifact.format == "keras":
        return f"edgecv validate {options} says more"
    return f"edgecv doctor {options} names the layer to blame"


def _then_rows(change: Change, judgement: Judgement) -> Rows:
    found = zip(HEADINGS, cells(change, judgement), strict=True)
    return [(heading, cell) for heading, cell in found if heading in THEN_AND_NOW and cell != "-"]


def _became_rows(pair: MeasuredPair, right: str) -> Rows:
    """Name the images whose answer was right then and is not now, and the other way round."""
    labels = pair.measured.data.test_labels
    if labels is None:
        return []
    (predictions,) = pair.measured.predictions.values()
    before, now = unpacked(right, len(labels)), right_of(predictions, labels)
    # What a wrong answer was is not kept, and for a class it does not matter.
    classes = class_differences(
        np.where(now, labels, UNKNOWN_LABEL), np.where(before, labels, UNKNOWN_LABEL), labels
    )
    return [
        ("became right", images_words(np.flatnonzero(now & ~before).tolist())),
        ("became wrong", images_words(np.flatnonzero(before & ~now).tolist())),
        *_class_rows(classes, pair),
    ]


def _class_rows(found: Sequence[ClassDifference], pair: MeasuredPair) -> Rows:
    worse = [each for each in found if each.difference_points < 0][:MOST_CLASSES]
    words = [class_words(each, pair.report.data.classes) for each in worse]
    return [("worst classes", "; ".join(words))] if words else []
