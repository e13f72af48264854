"""A report as a small HTML table, for notebooks: the figures of ``report.json``."""

from collections.abc import Iterable, Sequence
from html import escape

from edgecv.core.report import Report
from edgecv.core.text import counted, printable_lines
from edgecv.reports.run_table import run_tables
from edgecv.reports.verdict import verdict_line

COLOURS = {"passed": "green", "failed": "firebrick", "inconclusive": "darkorange"}
SHORT = 2
"""Number of text columns at the left of a table; the others are numbers, right-aligned."""


def report_html(report: Report, verdict: str = "") -> str:
    """Return verdict, artifacts and notes of a report as HTML; every text is escaped.

    ``verdict`` replaces the text for a command line.
    """
    test = report.data.splits.get("test")
    images = "" if test is None else f", {counted(test.images, 'test image')}"
    title, tables = f"{report.name}: {report.data.name}{images}", []
    for table in run_tables(report):
        caption = f"{title}: {table.head}" if table.head else title
        tables.append(html_table(caption, table.headings, table.rows))
    return html_block(
        *tables,
        html_verdict(report.outcome, verdict or verdict_line(report)),
        html_list("Notes", [*report.notes, *report.data.notes]),
    )


def html_block(*parts: str) -> str:
    """Join parts into one element."""
    return f"<div>{''.join(parts)}</div>"


def html_table(caption: str, headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table of plain texts: text left-aligned, numbers right-aligned.

    >>> html_table("a < b", ("file",), [("x.tflite",)])[:41]
    '<table><caption>a &lt; b</caption><thead>'
    """
    head = "".join(f"<th>{escaped(heading)}</th>" for heading in headings)
    body = "".join(f"<tr>{_cells(cells)}</tr>" for cells in rows)
    return (
        f"<table><caption>{escaped(caption)}</caption>"
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    )


def _cells(cells: Sequence[str]) -> str:
    return "".join(
        f'<td style="text-align:{"left" if place < SHORT else "right"}">{escaped(cell)}</td>'
        for place, cell in enumerate(cells)
    )


def html_verdict(outcome: str, text: str) -> str:
    """Return a verdict in the colour of its outcome, with its line breaks."""
    colour = COLOURS.get(outcome, "inherit")
    lines = "<br>".join(escaped(line) for line in text.splitlines())
    return f'<p style="color:{colour}"><strong>{lines}</strong></p>'


def html_list(title: str, lines: Sequence[str]) -> str:
    """Return a collapsed list with a title; empty where there are no lines."""
    if not lines:
        return ""
    items = "".join(f"<li>{escaped(line)}</li>" for line in lines)
    return f"<details><summary>{escaped(title)} ({len(lines)})</summary><ul>{items}</ul></details>"


def escaped(text: str) -> str:
    """Return text as HTML shows it: no tag, and nothing that is not printable.

    >>> escaped("<b>\\x1b[2J")
    '&lt;b&gt;?[2J'
    """
    return escape(printable_lines(text))
