"""A model card: Markdown with YAML in front, as hubs of models read it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from edgecv.core.comparison import Comparison
from edgecv.core.report import Report
from edgecv.core.text import counted, listed, one_line
from edgecv.evaluation.task_of import per_head, task_of
from edgecv.reports.deployment import deployment_lines
from edgecv.reports.fact_lines import artifact_notes, data_lines, tensor_lines
from edgecv.reports.gate_text import gate_sentence
from edgecv.reports.markdown import section
from edgecv.reports.markdown_table import markdown_table, plain_markdown
from edgecv.reports.page.recipe import recipe_text
from edgecv.reports.page.snippet import snippets
from edgecv.reports.paired_comparison import control_line, judged, method_text, pair_line
from edgecv.reports.run_table import run_tables
from edgecv.reports.verdict import verdict_line


def to_card(report: Report) -> str:
    """Return the model card of a run. A licence is its author's to add."""
    return "\n".join(
        [
            "---",
            *_metadata(report).splitlines(),
            "---",
            "",
            f"# {plain_markdown(report.name)}",
            "",
            plain_markdown(verdict_line(report)),
            "",
            *_list("What it is", _model(report)),
            *_tables(report),
            *_list("Quality against the original", list(_quality(report))),
            *_list("Limits that were asked for", _limits(report)),
            *_list("Devices", _devices(report)),
            *_list("Data", data_lines(report)),
            *_use(report),
            *_list("Inputs and outputs", tensor_lines(report)),
            *_list("Notes", [*report.notes, *artifact_notes(report)]),
            "## Made by",
            "",
            "`edgecv compress --recipe recipe.toml` with this recipe:",
            "",
            *_code("toml", recipe_text(report)),
        ]
    )


def _metadata(report: Report) -> str:
    """Return the YAML in front: quoted by its own rules, whatever the names are."""
    import yaml

    files = _files(report)
    heads = [head.task for head in task_of(report).heads()]
    named = [task.hub_name for task in heads if task.hub_name]
    kinds = dict.fromkeys(each.artifact.format for each in files)
    precisions = dict.fromkeys(each.artifact.precision for each in files if each.artifact.precision)
    found: dict[str, Any] = {"tags": ["edgecv", *kinds, *precisions]}
    if len(heads) == len(named) == 1:
        found["pipeline_tag"] = named[0]
    metrics = list(dict.fromkeys(each.metric for each in files if each.value is not None))
    if metrics:
        found["metrics"] = metrics
        found["model-index"] = [{"name": one_line(report.name), "results": list(_results(report))}]
    text: str = yaml.safe_dump(found, sort_keys=False, allow_unicode=False, width=1000)
    return text


def _files(report: Report) -> list[Comparison]:
    """Return what is shipped: the candidates, or all files where there are no others."""
    return [each for each in report.comparisons if not each.is_twin] or list(report.comparisons)


def _results(report: Report) -> Iterator[dict[str, Any]]:
    whole, data = task_of(report), one_line(report.data.name)
    for each in _files(report):
        if each.value is None:
            continue
        task = whole.head_called(each.head).task
        figures = [(each.metric, each.value)]
        figures += [(other.name, other.value) for other in each.further_metrics]
        yield {
            "task": {"type": task.hub_name or task.name, "name": task.name},
            "dataset": {"type": data, "name": data, "split": "test"},
            "metrics": [
                {"type": name, "value": value, "name": f"{name} of {one_line(each.label)}"}
                for name, value in figures
            ],
        }


def _model(report: Report) -> list[str]:
    files, tasks = _files(report), [head.task.name for head in task_of(report).heads()]
    lines = [f"Task: {listed(tasks)}"]
    if report.data.classes:
        lines.append(f"{counted(len(report.data.classes), 'class')}: {listed(report.data.classes)}")
    if report.baseline is not None and report.baseline.parameters is not None:
        parameters = counted(report.baseline.parameters, "parameter")
        suffix = Path(report.baseline.path).suffix
        lines.append(f"Compressed from a {suffix} model of {parameters}")
    names = [str(each["technique"]) for each in report.recipe.get("technique", ())]
    if names:
        lines.append(f"Techniques: {listed(names)}")
    formats = dict.fromkeys(f"{each.artifact.precision} {each.artifact.format}" for each in files)
    return [*lines, f"Files: {listed(list(formats))}"]


def _tables(report: Report) -> list[str]:
    lines = ["## Files", ""]
    for table in run_tables(report):
        rows = [tuple(map(plain_markdown, cells)) for cells in table.rows]
        lines += [f"### {plain_markdown(table.head)}", ""] if table.head else []
        lines += [*markdown_table(table.headings, rows), ""]
    return lines


def _quality(report: Report) -> Iterator[str]:
    for own in per_head(report).values():
        task, names = task_of(own), own.data.classes
        for each in judged(own):
            yield from filter(None, (pair_line(each, task, names), control_line(each, task)))
        if report.data.has_labels and judged(own):
            yield method_text(task)


def _limits(report: Report) -> list[str]:
    task = task_of(report)
    return [f"{gate.outcome}: {gate_sentence(gate, task)}" for gate in report.gates]


def _devices(report: Report) -> list[str]:
    rows = [
        f"{each.label} on {each.runtime}: median {each.latency.median_us:,.1f} us"
        for each in report.comparisons
        if each.machine and each.latency is not None
    ]
    processor = report.environment.get("processor") or "a processor that is not known"
    others = "All other times are of" if rows else "All times are of"
    return [*deployment_lines(report), *rows, f"{others} {processor}"]


def _use(report: Report) -> list[str]:
    lines: list[str] = []
    for file, packages, program in snippets(report):
        lines += [f"`pip install {packages}`, then {plain_markdown(file)}:", ""]
        lines += _code("python", program)
    return ["## How to run it", "", *lines] if lines else []


def _list(title: str, lines: list[str]) -> list[str]:
    return section(title, [plain_markdown(line) for line in lines])


def _code(language: str, text: str) -> list[str]:
    """Return a block of code with a fence that the text does not hold."""
    fence = "```"
    while fence in text:
        fence += "`"
    return [f"{fence}{language}", text.rstrip("\n"), fence, ""]
