"""Write a page of results for each run, from its ``report.json``.

python docs/generators/results.py RUN... [--commit HASH] [--date YYYY-MM-DD]
"""

import argparse
import json
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parents[1] / "results"
COMPARED = "## Image by image against the baseline"
HEAD = """# Results

Made from `report.json` of finished runs by `python docs/generators/results.py RUN...`; nothing here
is written by hand. Times are of the machine that is named, ratios carry further. Each page has the
recipe, so that the run can be repeated. [Beside other tools](peers.md) holds our files against
those of converters and quantizers of other makers.

| run | date | data | file | bytes | accuracy | points | agreement | speed-up |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
VERSIONS = ("edgecv", "tensorflow", "onnxruntime", "ai-edge-litert", "numpy", "python")


def page(report: dict[str, Any], verdict: str, day: str, commit: str | None) -> str:
    """Return the page of one run in Markdown."""
    environment, data, baseline = report["environment"], report["data"], report["baseline"]
    processor, cores = environment["processor"], environment["cores"]
    facts = [
        f"- machine: {processor}, {cores} cores (`{environment['machine']}`)",
        f"- date: {day}",
        *([f"- commit: `{commit}`"] if commit else []),
        "- versions: " + ", ".join(f"{name} {environment[name]}" for name in VERSIONS),
        f"- data: {data['name']}, {data['splits']['test']['images']:,} test images",
        f"- baseline: {baseline['parameters']:,} parameters, "
        f"{baseline['metric']} {_show(baseline['value'], '{:.2%}')}",
        f"- outcome: {report['outcome']}",
    ]
    return f"# {report['name']}\n\n" + "\n".join(facts) + f"\n\n{verdict}"


def measured(markdown: str) -> str:
    """Return the table and the comparison image by image of a ``report.md``."""
    lines = markdown.partition("\n## ")[0].splitlines()
    table = [line for line in lines if line.startswith("| ")]
    section = markdown.partition(f"\n{COMPARED}\n")[2].partition("\n## ")[0].partition("\n### ")[0]
    compared = [line for line in section.splitlines() if line.startswith("- ")]
    return "\n".join([*table, "", "## Image by image", "", *compared, ""])


def without_folders(recipe: str) -> str:
    """Return a recipe whose files are named without the folders of one machine."""
    return re.sub(r'^((?:path|model|teacher) = ")[^"]*/', r"\1", recipe, flags=re.MULTILINE)


def summary(report: dict[str, Any], day: str) -> list[str]:
    """Return a row of the index for each candidate of a run."""
    name, data = report["name"], report["data"]["name"]
    rows = []
    for each in report["comparisons"]:
        if each["is_twin"]:
            continue
        artifact = each["artifact"]
        cells = [
            f"[{name}]({name}.md)",
            day,
            data,
            artifact["path"],
            f"{artifact['bytes']:,}",
            _show(each["value"], "{:.2%}"),
            _show(each["difference_points"], "{:+.2f}"),
            _show(each["agreement"], "{:.2%}"),
            _show(each["speedup"], "{:.2f}"),
        ]
        rows.append(f"| {' | '.join(cells)} |")
    return rows


def _show(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def write(run: Path, folder: Path, day: str | None, commit: str | None) -> None:
    """Write the page of one run, and its rows into the index in the place of older ones."""
    source = run / "report.json"
    report = json.loads(source.read_text("utf-8"))
    written = date.fromtimestamp(source.stat().st_mtime).isoformat()
    shown = page(report, measured((run / "report.md").read_text("utf-8")), day or written, commit)
    recipe = without_folders((run / "recipe.toml").read_text("utf-8").strip())
    path = folder / f"{report['name']}.md"
    path.write_text(f"{shown}\n## Recipe\n\n```toml\n{recipe}\n```\n", "utf-8")
    index = folder / "index.md"
    rows = index.read_text("utf-8").removeprefix(HEAD).splitlines() if index.exists() else []
    kept = [row for row in rows if not row.startswith(f"| [{report['name']}](")]
    rows = sorted([*kept, *summary(report, day or written)], key=lambda row: row.split("]")[0])
    index.write_text(HEAD + "\n".join(rows) + "\n", "utf-8")


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, help="run directories")
    parser.add_argument("--commit", help="the commit that the runs were made with, if known")
    parser.add_argument("--date", help="their date; else that of report.json")
    parser.add_argument("--output", type=Path, default=RESULTS)
    options = parser.parse_args(arguments)
    for run in options.runs:
        write(run, options.output, options.date, options.commit)


if __name__ == "__main__":
    main()
