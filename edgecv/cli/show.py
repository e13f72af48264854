"""Reports, judgements and trainings on the terminal: a table, the verdict and the next steps."""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from shlex import quote

from rich.table import Table
from rich.text import Text

from edgecv.acceptance.outputs import to_table as judgement_table
from edgecv.acceptance.records import Judgement
from edgecv.acceptance.text import advice, cells, changed_first
from edgecv.acceptance.text import headings as judgement_headings
from edgecv.acceptance.text import verdict_line as judgement_line
from edgecv.cli.console import Screen, natural_width
from edgecv.cli.progress import score_text
from edgecv.core.events import score_name
from edgecv.core.report import Report
from edgecv.core.text import counted, printable
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.pipeline.stored_training import Training
from edgecv.reports.class_results import class_table
from edgecv.reports.costs import costs_sentence
from edgecv.reports.deployment import deployment_lines
from edgecv.reports.failed_limits import is_of_run
from edgecv.reports.json_file import to_table
from edgecv.reports.next_step import next_step
from edgecv.reports.page.compare import compared_files, remarks
from edgecv.reports.paired_comparison import control_line, judged, pair_line
from edgecv.reports.run_table import run_tables
from edgecv.reports.verdict import verdict_line, verdict_sentences

LEFT_OUT = ("runtime", "gzip -9", "p95 us")
"""Columns that a table of several runs has on its page alone."""
COLOURS = {"passed": "green", "failed": "red", "inconclusive": "yellow"}


def show_report(
    report: Report,
    folder: Path | None,
    screen: Screen,
    *,
    as_json: bool,
    measured: Path | None = None,
) -> None:
    """Show a report: the verdict first, what to do next last, or JSON.

    ``folder`` of the run that was made, ``measured`` that of one that was measured again.
    """
    if as_json:
        screen.table(to_table(report))
        return
    first, *more = verdict_sentences(report)
    text = screen.rendered(f"{report.outcome.upper()}: {first}", style=COLOURS[report.outcome])
    text += "".join(map(screen.rendered, more))
    if not screen.quiet:
        text += details(report, screen)
    if folder is not None:
        text += f"Written to {printable(str(folder))}: look at report.html\n"
    if (folder or not is_of_run(report)) and (
        step := next_step(report, quote(printable(str(folder))), measured)
    ):
        text += f"{step}\n"
    screen.write(text)


def details(report: Report, screen: Screen) -> str:
    """Return the table of a report and the sentences on its files."""
    text = ""
    if report.comparisons:
        tables = list(report_tables(report))
        if screen.is_terminal and max(map(natural_width, tables)) > screen.columns():
            tables = list(narrow_tables(report))
        text += "".join(map(screen.rendered, tables))
    for own in per_head(report).values():
        for each in judged(own):
            text += screen.rendered(pair_line(each, task_of(own), own.data.classes))
            if line := control_line(each, task_of(own)):
                text += screen.rendered(line)
    if report.costs is not None and report.costs.baseline != report.costs.compressed:
        text += screen.rendered(costs_sentence(report.costs))
    for line in deployment_lines(report):
        text += screen.rendered(line)
    return text


def show_comparison(reports: Sequence[Report], page: Path, screen: Screen) -> None:
    """Show the verdicts and the files of several runs."""
    text = ""
    for report in reports:
        style = COLOURS[report.outcome]
        text += screen.rendered(f"{report.name}: {verdict_line(report)}", style=style)
    if not screen.quiet:
        text += compared(reports, screen)
    screen.write(f"{text}Written: {printable(str(page))}\n")


def compared(reports: Sequence[Report], screen: Screen) -> str:
    """Return the tables of the files of several runs, and what the runs share."""
    text = ""
    for found in compared_files(reports):
        shown = [place for place, name in enumerate(found.table.headings) if name not in LEFT_OUT]
        headings = tuple(found.table.headings[place] for place in shown)
        table = _table(found.title, headings, left=3)
        for line in found.table.rows:
            table.add_row(*(printable(line[place]) for place in shown))
        text += screen.rendered(table)
    for sentence in remarks(reports):
        text += screen.rendered(sentence)
    return text


def show_judgement(judgement: Judgement, screen: Screen, *, as_json: bool) -> None:
    """Show a run compared with the accepted one: table, verdict and advice, or JSON."""
    if as_json:
        screen.table(judgement_table(judgement))
        return
    table = _table(judgement.title, judgement_headings(judgement), left=3)
    for change in changed_first(judgement):
        table.add_row(*map(printable, cells(change, judgement)))
    text = "" if screen.quiet else screen.rendered(table)
    for reason in judgement.not_compared:
        text += screen.rendered(f"Not compared: {reason}")
    text += screen.rendered(judgement_line(judgement), style=COLOURS[judgement.outcome])
    for sentence in () if screen.quiet else advice(judgement):
        text += screen.rendered(sentence)
    screen.write(text)


def show_training(training: Training, screen: Screen, *, as_json: bool) -> None:
    """Show the result of a training, or its whole record as JSON."""
    if as_json:
        screen.table(asdict(training))
        return
    history, best, folder = training.history, training.best, training.folder
    name = f"validation_{score_name(best)}"
    seconds = sum(epoch["seconds"] for epoch in history)
    test = training.test
    further = "".join(f", {key} {score_text(each)}" for key, each in test.further.items())
    if not screen.quiet:
        screen.write("".join(class_tables(training, screen)))
    screen.answer(
        f"{counted(training.parameters, 'parameter')}, {counted(len(history), 'epoch')} in"
        f" {seconds:.0f} s, "
        f"the best of them is number {best['epoch']}: {name.replace('_', ' ')} "
        f"{score_text(best[name])}\n"
        f"On the {test.images:,} test images: {test.metric} {score_text(test.value)}{further}\n"
        f"Kept in {folder}; next: edgecv compress {quote(f'{folder}/model.keras')}"
        " with the same --data"
    )


def class_tables(training: Training, screen: Screen) -> Iterator[str]:
    """Yield the answers on the test images by class, a table for each head that has classes."""
    for each in training.results:
        found = class_table(each, training.facts)
        head = f": {each.head}" if each.head else ""
        counted_by = ", images of each split" if training.facts.class_counts else ""
        title = f"Test images by class{counted_by}{head}"
        table = _table(title, found.headings, left=1)
        for row in found.rows:
            table.add_row(*map(printable, row))
        yield screen.rendered(table)
        yield screen.rendered(found.below) if found.below else ""


def report_tables(report: Report) -> Iterator[Table]:
    """Yield the table of a run, one for each head of the model."""
    for found in run_tables(report):
        table = _table(_title(report, found.head), found.headings, left=2)
        for cells_of_row, is_candidate in zip(found.rows, found.is_candidate, strict=True):
            table.add_row(*map(printable, cells_of_row), style="" if is_candidate else "dim")
        yield table


def narrow_tables(report: Report) -> Iterator[Table]:
    """Yield the same tables with one column for each artifact, for a narrow terminal."""
    for found in run_tables(report):
        table = Table(title=_as_title(_title(report, found.head)), show_header=False)
        for _ in range(len(found.rows) + 1):
            table.add_column(overflow="fold")
        for heading, *line in zip(found.headings, *found.rows, strict=True):
            table.add_row(heading, *map(printable, line))
        yield table


def _table(title: str, columns: tuple[str, ...], left: int) -> Table:
    """Return an empty table, whose first columns are text and whose others are numbers."""
    table = Table(title=_as_title(title))
    for place, heading in enumerate(columns):
        table.add_column(heading, justify="left" if place < left else "right")
    return table


def _as_title(title: str) -> Text:
    """Return the title of a table as text without markup: names of files and devices are in it."""
    return Text(printable(title), "table.title")


def _title(report: Report, head: str) -> str:
    images = report.data.splits["test"].images
    name = f": {head}" if head else ""
    return f"{report.name}: {report.data.name}, {images:,} test images{name}"
