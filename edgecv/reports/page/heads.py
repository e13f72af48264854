"""The part of a page for one head of a model: its table, its plots, what changed."""

from edgecv.core.comparison import Comparison
from edgecv.core.report import Report
from edgecv.core.text import counted
from edgecv.evaluation.task_of import task_of
from edgecv.reports.page.plot import plots
from edgecv.reports.page.records import ChangePart, HeadPart
from edgecv.reports.paired_comparison import control_line, judged, method_text, pair_line
from edgecv.reports.run_table import run_tables

MOST_BARS = 20


def head_part(report: Report, name: str, own: Report) -> HeadPart:
    """Return the part of a head; ``own``: the report of the head alone."""
    table = next(each for each in run_tables(report) if each.head == name)
    test = report.data.splits.get("test")
    images = "" if test is None else f", {counted(test.images, 'test image')}"
    changes = tuple(_change(each, own) for each in judged(own))
    return HeadPart(
        table=table,
        caption=f"{name}: {report.data.name}{images}" if name else f"{report.data.name}{images}",
        plots=tuple(plots([own])),
        changes=changes,
        method=method_text(task_of(own)) if changes and report.data.has_labels else "",
    )


def _change(comparison: Comparison, own: Report) -> ChangePart:
    task, names = task_of(own), own.data.classes
    statistics = comparison.statistics
    assert statistics is not None
    has_flips = bool(statistics.flips.count)
    groups = statistics.classes[:MOST_BARS] if has_flips else ()
    lines = (pair_line(comparison, task, names), control_line(comparison, task))
    return ChangePart(
        label=comparison.label,
        lines=tuple(filter(None, lines)),
        details=tuple(task.details(statistics, names)) if has_flips else (),
        table=task.table(statistics, names) if has_flips else None,
        bars=tuple((names[each.label], each.difference_points) for each in groups),
    )
