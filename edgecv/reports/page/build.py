"""``report.html`` of one run: its figures are those of ``report.json``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.core.comparison import Comparison
from edgecv.core.report import Deployment, Gate, Outcome, Report
from edgecv.core.text import counted
from edgecv.evaluation.drawing import METHOD as DRAWING
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.reports.caveats import choice, meaning, open_losses
from edgecv.reports.costs import HEADINGS as COST_HEADINGS
from edgecv.reports.costs import costs_rows, costs_sentence
from edgecv.reports.deployment import deployment_lines
from edgecv.reports.fact_lines import (
    LAYER_HEADINGS,
    artifact_notes,
    baseline_lines,
    data_lines,
    latency_note,
    layer_rows,
    output_lines,
    tensor_lines,
)
from edgecv.reports.gallery import Gallery, read_gallery
from edgecv.reports.gate_text import gate_sentence
from edgecv.reports.next_step import next_step
from edgecv.reports.page.classes import class_parts
from edgecv.reports.page.curves import curve_plots
from edgecv.reports.page.heads import head_part
from edgecv.reports.page.images import contact_sheets, gallery_filters, gallery_tiles
from edgecv.reports.page.plot import time_plot
from edgecv.reports.page.recipe import recipe_text
from edgecv.reports.page.render import render
from edgecv.reports.page.snippet import snippets
from edgecv.reports.paired_comparison import judged
from edgecv.reports.ratio_text import size_text, speed_beside_twin
from edgecv.reports.verdict import reasons, verdict_sentences

MOST_BARS = 8
"""Operators that have a bar; all stand in the table."""
WORST: tuple[Outcome, ...] = ("failed", "inconclusive", "passed")


@dataclass(frozen=True)
class Card:
    """The main figures of one candidate."""

    label: str
    outcome: Outcome | None
    is_open: bool
    """True where its loss may exceed the limit for all that the images show."""
    figures: tuple[tuple[str, str, str], ...]
    """Name, value and note of each."""


@dataclass(frozen=True)
class DiagnosedFile:
    """The findings of ``edgecv doctor`` on a file, and the error of each of its layers."""

    path: str
    findings: tuple[str, ...]
    layers: tuple[tuple[str, float, float, float], ...]
    """Name, signal over error of its inputs and of its output in dB, gain."""
    operators: tuple[tuple[str, str, float], ...] = ()
    """Name, kind and microseconds of each operator, the slowest first."""


def to_page(
    report: Report, folder: Path | None = None, diagnoses: Sequence[DiagnosedFile] = ()
) -> str:
    """Return the page of a report.

    ``folder`` of the run: its pictures become part of the page.
    """
    gallery = Gallery() if folder is None else read_gallery(folder)
    tiles = list(gallery_tiles(report, gallery))
    sheets = [] if folder is None or tiles else list(contact_sheets(report, folder))
    heads = [head_part(report, name, own) for name, own in per_head(report).items()]
    gates = [(gate.outcome, gate_sentence(gate, task_of(report))) for gate in report.gates]
    texts = [each for each in _texts(report) if each[2]]
    content = {
        "heads": heads,
        "gates": gates,
        "open_gates": [each for each in gates if each[0] != "passed"],
        "held_gates": [each for each in gates if each[0] == "passed"],
        "device": deployment_lines(report),
        "has_changes": any(head.changes for head in heads),
        "classes": class_parts(report),
        "tiles": tiles,
        "sheets": sheets,
        "filters": gallery_filters(tiles),
        "costs": _costs(report),
        "layers": _layers(report),
        "curves": curve_plots(report),
        "times": time_plot(report),
        "draws": _draws(report),
        "diagnoses": [_diagnosis(each) for each in diagnoses],
        "snippets": snippets(report),
        "texts": texts,
    }
    return render(
        "report.html",
        report=report,
        meaning=meaning(report),
        verdict=reasons(report) if content["open_gates"] else verdict_sentences(report),
        choice=choice(report),
        is_right_or_wrong=task_of(report).has_binary_scores,
        next_step=next_step(report, "RUN"),
        cards=_cards(report),
        latency_note=latency_note(report),
        recipe=recipe_text(report),
        sections=_sections(content),
        **content,
    )


def _cards(report: Report) -> list[Card]:
    """Return the main figures of each candidate."""
    open_files = open_losses(report)
    files = [each for each in judged(report) if not each.is_twin]
    return [_card(each, report, is_open=each.label in open_files) for each in files]


def _card(comparison: Comparison, report: Report, *, is_open: bool) -> Card:
    task = task_of(report).head_called(comparison.head).task
    statistics, latency = comparison.statistics, comparison.latency
    difference = None if statistics is None else statistics.difference
    note = ""
    if difference is not None:
        low, high = difference.interval_points
        note = f"{comparison.difference_points:+.2f} points ({low:+.2f} to {high:+.2f})"
    figures = []
    if comparison.value is not None:
        figures.append((comparison.metric, task.headline.text(comparison.value), note))
    if comparison.agreement is not None:
        figures.append(("same answers", f"{comparison.agreement:.2%}", ""))
    ratio = "" if comparison.size_ratio is None else size_text(comparison.size_ratio)
    figures.append(("size", f"{comparison.artifact.bytes:,} bytes", ratio))
    if latency is not None:
        speedup = comparison.speedup
        factor = "" if speedup is None else speed_beside_twin(comparison, speedup, report)
        figures.append(("time, one image", f"{latency.median_us:,.1f} us", factor))
    figures += _on_device(comparison, report.deployment)
    outcome = _outcome_of(comparison, report.gates)
    return Card(comparison.label, outcome, is_open, tuple(figures))


def _on_device(comparison: Comparison, found: Deployment | None) -> list[tuple[str, str, str]]:
    """Return what a device alone can say of a file; nothing where it is no row of a device."""
    if found is None or found.artifact != comparison.artifact.path:
        return []
    same = f"{found.same_answers:,} of {counted(found.images, 'image')}"
    taken = (("memory", found.memory_bytes), ("flash", found.flash_bytes))
    return [
        ("answers of this machine", same, ""),
        *((name, f"{size:,} bytes", "") for name, size in taken if size is not None),
    ]


def _outcome_of(comparison: Comparison, gates: Sequence[Gate]) -> Outcome | None:
    """Return the worst outcome of the gates of a file and head; None where there are none."""
    found = {
        gate.outcome
        for gate in gates
        if gate.artifact == comparison.artifact.path and gate.head in ("", comparison.head)
    }
    return next((each for each in WORST if each in found), None)


def _draws(report: Report) -> str:
    """Explain the colours of boxes, masks and points where a task draws any."""
    tasks = [head.task for head in task_of(report).heads()]
    return DRAWING if any(DRAWING in task.method for task in tasks) else ""


def _costs(report: Report) -> Mapping[str, Any]:
    if report.costs is None:
        return {}
    rows = costs_rows(report.costs)
    return {"sentence": costs_sentence(report.costs), "headings": COST_HEADINGS, "rows": rows}


def _layers(report: Report) -> Mapping[str, Any]:
    rows = layer_rows(report)
    return {"headings": LAYER_HEADINGS, "rows": rows} if rows else {}


def _diagnosis(found: DiagnosedFile) -> Mapping[str, Any]:
    rows = [
        (name, f"{before:.1f}", f"{after:.1f}", f"{before - after:.1f}", f"{gain:.3f}")
        for name, before, after, gain in found.layers
    ]
    whole = sum(us for _, _, us in found.operators) or 1.0
    times = [(name, kind, f"{us:,.1f}", f"{us / whole:.1%}") for name, kind, us in found.operators]
    shares = [(name, us / whole) for name, _, us in found.operators[:MOST_BARS]]
    facts = {"path": found.path, "findings": found.findings}
    return {**facts, "rows": rows, "times": times, "shares": shares}


def _texts(report: Report) -> list[tuple[str, str, list[str]]]:
    """Return name, title and lines of the sections that are lists."""
    return [
        ("outputs", "Outputs against the baseline's", output_lines(report)),
        ("tensors", "Inputs and outputs of each file", tensor_lines(report)),
        ("notes", "Notes", [*report.notes, *artifact_notes(report)]),
        ("data", "Data", data_lines(report)),
        ("baseline", "Baseline", baseline_lines(report)),
    ]


def _sections(content: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return name and title of the sections that the page has, for its list of contents."""
    found = [
        ("files", "Files", True),
        ("limits", "Limits", content["gates"]),
        ("device", "Device", content["device"]),
        ("changes", "What changed", content["has_changes"]),
        ("classes", "Classes", content["classes"]),
        ("gallery", "Images", content["tiles"] or content["sheets"]),
        ("layers", "Layers", content["costs"] or content["layers"]),
        ("curves", "Training", content["curves"]),
        ("doctor", "Diagnosis", content["diagnoses"]),
        ("use", "Run a file", content["snippets"]),
        *((name, title, True) for name, title, _ in content["texts"]),
        ("origin", "How it was made", True),
    ]
    return [(name, title) for name, title, is_there in found if is_there]
