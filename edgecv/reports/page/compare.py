"""One page of several runs: verdicts, files and plots side by side."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from edgecv.core.report import Report
from edgecv.core.text import TextTable, counted, listed
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.reports.gate_text import gate_sentence
from edgecv.reports.page.plot import plots
from edgecv.reports.page.recipe import recipe_text
from edgecv.reports.page.records import ComparedFiles, ComparedRun
from edgecv.reports.page.render import render
from edgecv.reports.run_table import AGAINST_CONTROL, RunTable, run_tables
from edgecv.reports.verdict import verdict_line


def to_comparison(reports: Sequence[Report]) -> str:
    """Return the page of several runs."""
    passed = sum(report.outcome == "passed" for report in reports)
    return render(
        "compare.html",
        title=f"{passed} of {counted(len(reports), 'run')} passed",
        remarks=remarks(reports),
        runs=[_run(report) for report in reports],
        parts_of_runs=compared_files(reports),
    )


def with_distinct_names(reports: Sequence[Report], folders: Sequence[Path]) -> list[Report]:
    """Return reports under names that differ: their folders where runs are called the same."""
    names = [report.name for report in reports]
    if len(set(names)) == len(names):
        return list(reports)
    return [
        replace(report, name=str(folder)) for report, folder in zip(reports, folders, strict=True)
    ]


def remarks(reports: Sequence[Report]) -> list[str]:
    """Return if the runs share test images, baseline and machine, a sentence on each."""
    return [
        _shared(
            reports, [each.data.splits["test"].sha256 for each in reports], "test images", "points"
        ),
        _shared(reports, [_baseline(each) for each in reports], "baseline", "points"),
        _shared(reports, [each.machine for each in reports], "machine", "times"),
    ]


def _shared(reports: Sequence[Report], values: Sequence[str], subject: str, figures: str) -> str:
    """Return if all runs have the same of something, and what follows if they have not."""
    if len(set(values)) == 1:
        return f"All runs have the same {subject}."
    groups: dict[str, list[str]] = {}
    for report, value in zip(reports, values, strict=True):
        groups.setdefault(value, []).append(report.name)
    names = "; ".join(listed(each) for each in groups.values())
    return (
        f"Not all runs have the same {subject}: {names}. "
        f"Compare {figures} within each of these groups only."
    )


def _baseline(report: Report) -> str:
    """Return what tells baselines apart: the hash of a given one, else how it was trained."""
    if report.baseline is None or report.baseline.sha256:
        return "" if report.baseline is None else report.baseline.sha256
    splits = {name: each.sha256 for name, each in report.data.splits.items()}
    made_by = [report.recipe.get(key) for key in ("baseline", "seed")]
    return json.dumps([made_by, splits, report.baseline.value], sort_keys=True, default=str)


def compared_files(reports: Sequence[Report]) -> list[ComparedFiles]:
    """Return the files of all runs, one table for each head and metric."""
    groups: dict[tuple[str, tuple[str, ...]], list[tuple[Report, RunTable]]] = {}
    for report in reports:
        for table, own in zip(run_tables(report), per_head(report).values(), strict=True):
            shared = tuple(each for each in table.headings if each != AGAINST_CONTROL)
            groups.setdefault((table.head, shared), []).append((own, table))
    found = []
    for (head, _), members in groups.items():
        headings = max((table.headings for _, table in members), key=len)
        rows = [
            (own.name, own.outcome, *cells)
            for own, table in members
            for cells in _candidates(table, headings)
        ]
        found.append(
            ComparedFiles(
                title=head or "Files",
                table=TextTable(("run", "verdict", *headings), tuple(rows)),
                plots=tuple(plots([own for own, _ in members])),
                runs=tuple(own.name for own, _ in members),
            )
        )
    return found


def _candidates(table: RunTable, headings: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Yield the cells of the candidates, or of all rows where there is none.

    A dash stands where a run has no such column: it has no control.
    """
    for cells, is_candidate in zip(table.rows, table.is_candidate, strict=True):
        if is_candidate or not any(table.is_candidate):
            own = dict(zip(table.headings, cells, strict=True))
            yield tuple(own.get(heading, "-") for heading in headings)


def _run(report: Report) -> ComparedRun:
    task = task_of(report)
    return ComparedRun(
        report=report,
        verdict=verdict_line(report).removeprefix(f"{report.outcome.upper()}: "),
        open_gates=tuple(
            (gate.outcome, gate_sentence(gate, task))
            for gate in report.gates
            if gate.outcome != "passed"
        ),
        recipe=recipe_text(report),
    )
