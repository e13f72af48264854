"""The verdict of a report: one sentence for the run, one for each gate."""

from collections.abc import Sequence

from edgecv.core.comparison import Comparison
from edgecv.core.plugins import ModelProperty, Task
from edgecv.core.registry import TECHNIQUES
from edgecv.core.report import ControlScore, Report
from edgecv.core.text import counted
from edgecv.datasets.unlabelled import NOT_CLASSES
from edgecv.evaluation.gates import PROOF
from edgecv.evaluation.group_text import group_sentence
from edgecv.evaluation.output_differences import OUTPUTS
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.reports.caveats import caveats
from edgecv.reports.gate_text import allowed_text, gate_sentence
from edgecv.reports.ratio_text import size_text, speed_beside_twin
from edgecv.reports.target_files import missed_beside

OF_EVERY_RUN = (
    OUTPUTS,
    "conversion_difference", "runs", PROOF, "weights", "quantization", "ranges", "precision",
    "labels",
)  # fmt: skip
"""Texts of the gates that are not limits."""
FEW = 2
USUAL_AGREEMENT = 0.95
"""Quantization alone changes fewer answers than this leaves."""


def verdict_line(report: Report) -> str:
    """Return the verdict of a run in one line, or a line for each gate if many did not pass."""
    return f"{report.outcome.upper()}: {'. '.join(verdict_sentences(report))}"


def verdict_sentences(report: Report) -> list[str]:
    """Return the verdict: the files, or the gates that did not pass, and then what it rests on."""
    task = task_of(report)
    failed, open_ones = (
        joined([gate_sentence(gate, task) for gate in report.gates if gate.outcome == outcome])
        for outcome in ("failed", "inconclusive")
    )
    if failed and open_ones:
        end = "\n" if "\n" in failed else ". "
        return [f"{failed}{end}Inconclusive: {open_ones}", *reasons(report)]
    if failed or open_ones:
        return [failed or open_ones, *reasons(report)]
    candidates = [each for each in report.comparisons if not each.is_twin]
    summary = "; ".join(_candidate(each, task, report) for each in candidates or report.comparisons)
    more = (*caveats(report), *_lost_classes(report), *reasons(report), _no_faster(report))
    return [summary, *_limits(report), *filter(None, more)]


def reasons(report: Report) -> list[str]:
    """Return what a verdict rests on: files without a target, retraining, and the control."""
    beside = missed_beside(report.gates, report.files)
    return [*filter(None, (beside, _retraining(report), *_control(report)))]


def _lost_classes(report: Report) -> list[str]:
    """Return the class that each file loses most of, where that is no chance."""
    found = []
    for own in per_head(report).values():
        for each in own.comparisons:
            statistics = None if each.is_twin else each.against_better.statistics
            groups = () if statistics is None else statistics.classes
            lost = [group for group in groups if group.is_certain and group.difference_points < 0]
            if lost:
                worst = min(lost, key=lambda group: group.difference_points)
                found.append(f"{each.label}: {group_sentence(worst, own.data.classes)}")
    return found


def joined(sentences: Sequence[str]) -> str:
    """Join few sentences in one line, and put many on lines of their own.

    >>> joined(["a", "b"])
    'a; b'
    >>> joined(["a", "b", "c"])
    '3 gates\\n  a\\n  b\\n  c'
    """
    if len(sentences) <= FEW:
        return "; ".join(sentences)
    return "\n  ".join([counted(len(sentences), "gate"), *sentences])


def _no_faster(report: Report) -> str:
    """Explain that zeros and shared weights do not reduce the latency, where there are any."""
    names = [each["technique"] for each in report.recipe.get("technique", ())]
    made = {each for name in names for each in _made_by(name)}
    subjects = {ModelProperty.ZEROS: "Zeros", ModelProperty.SHARED_VALUES: "Shared weights"}
    found = [subjects[each] for each in subjects if each in made]
    if not found:
        return ""
    return (
        f"{' and '.join(found)} make the file smaller where it is compressed (gzip), not faster:"
        " these runtimes compute with them as with any others"
    )


def retrains(name: str) -> bool:
    """Return True if a technique trains the weights; False if it is not installed."""
    found = TECHNIQUES.classes.get(name)
    return found is not None and "training" in found.model_fields


def _made_by(name: str) -> frozenset[str]:
    """Return the properties that a technique gives a model; empty if it is not installed."""
    found = TECHNIQUES.classes.get(name)
    return frozenset() if found is None else found.makes


def _candidate(comparison: Comparison, whole: Task, report: Report) -> str:
    head, *_ = whole.heads()
    task = whole.head_called(comparison.head).task
    parts = [f"{comparison.metric} {task.headline.text(comparison.value, 1)}"]
    if comparison.output_differences:
        worst = min(comparison.output_differences, key=lambda each: each.cosine or 0.0)
        parts = [f"cosine {worst.cosine or 0.0:.4f} ({worst.name})"]
    if comparison.value is None and comparison.agreement is not None:
        parts.append(f"agreement {comparison.agreement:.1%}")
    if comparison.difference_points is not None:
        parts.append(f"{comparison.difference_points:+.2f} points")
    if comparison.control is not None and comparison.control.decides:
        parts[-1] += f" ({comparison.control.difference_points:+.2f} against the control)"
    if comparison.head == head.name and not comparison.is_twin:  # Once a file.
        if comparison.size_ratio is not None:
            parts.append(size_text(comparison.size_ratio))
        if comparison.speedup is not None:
            parts.append(speed_beside_twin(comparison, comparison.speedup, report))
    return f"{comparison.label} {', '.join(parts)}"


def percent(value: float | None, digits: int = 2) -> str:
    """Format a metric that may be unknown.

    >>> percent(0.747), percent(None)
    ('74.70%', 'unknown')
    """
    return "unknown" if value is None else f"{value:.{digits}%}"


def _limits(report: Report) -> list[str]:
    """Return the limits of a run that passed, and what was not measured."""
    if report.baseline is None:
        return ["Nothing was compared: give --baseline for that"]
    allowed = dict.fromkeys(filter(None, map(allowed_text, report.gates)))
    others = [gate for gate in report.gates if gate.name not in OF_EVERY_RUN]
    is_all = all(allowed_text(gate) for gate in others)
    if allowed:
        text = f"Allowed: {', '.join(allowed)}{'' if is_all else '; all other limits are held'}"
    elif others:
        text = "All limits are held"
    else:
        text = "No limit was asked for: set one with --max-drop POINTS"
    if report.data.has_labels:
        return [text]
    if task_of(report).compares_numbers:
        return [text, "Outputs were compared by numbers: no accuracy is known"]
    hints = [note for note in report.data.notes if NOT_CLASSES in note]
    return [text, "The images have no labels: no accuracy is known", *hints]


def _retraining(report: Report) -> str:
    """Explain a low agreement by the techniques that trained the weights on, if there are any."""
    names = _trained(report)
    low = [
        each.label
        for each in report.comparisons
        if not each.is_twin and each.agreement is not None and each.agreement < USUAL_AGREEMENT
    ]
    if not names or not low or not report.data.has_labels:
        return ""
    return (
        f"{', '.join(names)} trained the weights on, which changes answers both ways:"
        f" {report.comparisons[0].metric} judges {', '.join(low)}, not the agreement"
    )


def _control(report: Report) -> list[str]:
    """Say which of baseline and control the limits on quality are held against, and why."""
    control = report.control
    if control is None:
        is_off = report.recipe.get("control") == "off"
        why = "--control off" if is_off else "this run was made before there was one"
        missing = f"No control ({why}): what training alone gains is not known"
        return [missing] if _trained(report) else []
    if not control.path:
        reason = f"The control could not be trained ({control.reason})"
        return [f"{reason}: limits are held against the baseline"]
    return [_control_score(each, report) for each in control.scores]


def _control_score(score: ControlScore, report: Report) -> str:
    task = task_of(report).head_called(score.head).task
    now, validation, before = (
        task.headline.text(each)
        for each in (score.value, score.validation_value, score.baseline_validation_value)
    )
    name = f"{score.head}: the" if score.head else "The"
    found, than = ("no worse", "it") if score.decides else ("worse", "the baseline")
    return (
        f"{name} control (the baseline trained on for as long) has {now},"
        f" {score.difference_points:+.2f} points, and is {found} on the validation images"
        f" ({validation} against {before}): limits are held against {than}"
    )


def _trained(report: Report) -> list[str]:
    """Return the techniques of a run that trained the weights on.

    A report of an earlier version has no trainings, nor the memory: its recipe says what trained.
    """
    names = [
        name
        for each in report.recipe.get("technique", ())
        if retrains(name := each["technique"]) and each.get("fine_tune", True)
    ]
    if not report.trainings and report.memory is None:
        return names
    return [name for name in names if name in {each.name for each in report.trainings}]
