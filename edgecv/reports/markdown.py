"""``report.md``: the report for people."""

from collections.abc import Sequence

from edgecv.core.report import Report
from edgecv.core.text import counted, printable_lines
from edgecv.evaluation.task_of import task_of
from edgecv.reports.class_results import CONFUSION, RELIABILITY, WORST, class_table
from edgecv.reports.costs import HEADINGS as COST_HEADINGS
from edgecv.reports.costs import costs_rows, costs_sentence
from edgecv.reports.curves import CURVES
from edgecv.reports.deployment import deployment_lines
from edgecv.reports.fact_lines import (
    LAYER_HEADINGS,
    artifact_notes,
    baseline_lines,
    data_lines,
    latency_note,
    layer_rows,
    memory_lines,
    output_lines,
    tensor_lines,
)
from edgecv.reports.gate_text import gate_sentence
from edgecv.reports.markdown_table import markdown_table
from edgecv.reports.paired_comparison import pair_section
from edgecv.reports.run_table import run_tables
from edgecv.reports.verdict import verdict_line


def to_markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    task = task_of(report)
    text = "\n".join(
        [
            f"# {report.name}",
            "",
            verdict_line(report),
            "",
            *_tables(report),
            latency_note(report),
            "",
            *section(
                "Limits", [f"{each.outcome}: {gate_sentence(each, task)}" for each in report.gates]
            ),
            *section("Device", deployment_lines(report)),
            *pair_section(report),
            *_classes(report),
            *_trainings(report),
            *section("Outputs against the baseline's", output_lines(report)),
            *section("Inputs and outputs", tensor_lines(report)),
            *section("Notes on the artifacts", artifact_notes(report)),
            *_costs(report),
            *_layers(report),
            *section("Notes", list(report.notes)),
            *section("Data", data_lines(report)),
            *section("Baseline", baseline_lines(report)),
            *section("Memory", memory_lines(report)),
            *section("Environment", [f"{key}: {value}" for key, value in _facts(report)]),
        ]
    )
    return printable_lines(text)


def _tables(report: Report) -> list[str]:
    lines: list[str] = []
    for table in run_tables(report):
        lines += [f"### {table.head}", ""] if table.head else []
        lines += [*markdown_table(table.headings, table.rows), ""]
    return lines


def section(title: str, lines: Sequence[str]) -> list[str]:
    """Return the lines of a list under a heading; none for an empty list."""
    return [f"## {title}", "", *(f"- {line}" for line in lines), ""] if lines else []


def _classes(report: Report) -> list[str]:
    """Return the table of classes of each model, with the pictures of the first."""
    lines: list[str] = []
    for each in report.results:
        head = f" ({each.head})" if each.head else ""
        table = class_table(each, report.data)
        lines += [f"### {each.path}{head}", "", *((table.below, "") if table.below else ())]
        lines += [*markdown_table(table.headings, table.rows), ""]
    if not lines:
        return []
    first = report.results[0]
    drawn = {
        f"![Confusion matrix]({CONFUSION})": first.results.wrong_cells is not None,
        f"![Calibration]({RELIABILITY})": first.results.reliability,
        f"![Worst images]({WORST})": first.worst,
    }
    pictures = [part for text, is_there in drawn.items() if is_there for part in (text, "")]
    return ["## Classes", "", *pictures, *lines]


def _trainings(report: Report) -> list[str]:
    lines = [f"{each.name}: {counted(len(each.epochs), 'epoch')}" for each in report.trainings]
    picture = [f"![Learning curves]({CURVES})", ""] if lines else []
    return [*section("Trainings", lines), *picture]


def _costs(report: Report) -> list[str]:
    if report.costs is None:
        return []
    picture = []
    if report.costs.baseline != report.costs.compressed:
        picture = ["![Widths before and after](widths.png)", ""]
    return [
        "## Costs by the graph, for one image",
        "",
        f"{costs_sentence(report.costs)}.",
        "",
        *picture,
        *markdown_table(COST_HEADINGS, costs_rows(report.costs)),
        "",
    ]


def _layers(report: Report) -> list[str]:
    rows = layer_rows(report)
    if not rows:
        return []
    title = "## Weights, as read back from each file"
    return [title, "", *markdown_table(LAYER_HEADINGS, rows), ""]


def _facts(report: Report) -> list[tuple[str, object]]:
    return list(report.environment.items())
