"""Write a page of results for each run, from its ``report.json``.

python docs/generators/results.py RUN... [--commit HASH] [--date YYYY-MM-DD]
"""

import argparse
import json
import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

RESULTS = Path(__file__).parents[1] / "results"
COMPARED = "## Image by image against the baseline"
HEAD = """# Results

Made from `report.json` of finished runs by `python docs/generators/results.py RUN...`; nothing here
is written by hand. Times are of the machine that is named, ratios carry further. Each page has the
recipe, so that the run can be repeated. [Beside other tools](peers.md) holds our files against
those of converters and quantizers of other makers.

![Accuracy against bytes, and against speed](frontier.svg)

The picture has the files that were made of CIFAR-10. The line joins those that no other file beats
in both figures of a picture at once. Faster is: than the float file of the same format and
baseline, in one run.

| run | date | data | file | bytes | accuracy | points | agreement | speed-up |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
"""
FRONTIER = "frontier.svg"
SHOWN = "cifar10-images.zip"
"""The data of the picture."""
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


class Spot(NamedTuple):
    """A file of the index."""

    run: str
    file: str
    kilobytes: float
    accuracy: float
    speedup: float | None


def spots(rows: Sequence[str]) -> list[Spot]:
    """Return the files of the rows of the index whose data is shown."""
    found = []
    for row in rows:
        cells = [cell.strip() for cell in row.strip("| ").split("|")]
        if cells[2] != SHOWN:
            continue
        name = cells[0].partition("]")[0].removeprefix("[")
        speedup = None if cells[8] == "-" else float(cells[8])
        size, accuracy = int(cells[4].replace(",", "")) / 1000, float(cells[5].rstrip("%"))
        found.append(Spot(name, cells[3], size, accuracy, speedup))
    return found


def unbeaten(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return the places of which no other one has a smaller first and a larger second figure."""
    best = -float("inf")
    kept = []
    for place in sorted(places, key=lambda place: (place[0], -place[1])):
        if place[1] > best:
            kept.append(place)
            best = place[1]
    return kept


def draw_frontier(rows: Sequence[str], path: Path) -> None:
    """Draw the accuracy of the files against their bytes, and against their speed."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    found = sorted(spots(rows), key=lambda each: each.accuracy)
    figure = Figure(figsize=(11, 4.5), layout="constrained")
    by_size, by_speed = figure.subplots(1, 2, sharey=True)
    _scatter(by_size, [(each.kilobytes, each) for each in found], better=-1, middle=45)
    by_size.set(xlabel="kilobytes (fewer is better)", ylabel="accuracy, %", xscale="log")
    by_size.set_xticks((10, 20, 50, 100, 200), ("10", "20", "50", "100", "200"))
    if not found:
        by_size.set_xlim(10, 200)  # An axis of logarithms has no range without a figure.
    timed = [(each.speedup, each) for each in found if each.speedup is not None]
    _scatter(by_speed, timed, better=1, middle=5)
    by_speed.set(xlabel="times faster (more is better)")
    by_speed.set_xlim(left=0)
    # The same picture is the same bytes.
    with rc_context({"svg.hashsalt": "frontier", "svg.fonttype": "none"}):
        figure.savefig(path, metadata={"Date": None})


def _scatter(axes: Any, figures: Sequence[tuple[float, Spot]], better: int, middle: float) -> None:
    """Draw files at their figures; names stand on the side of the picture's middle."""
    front = unbeaten([(-better * x, each.accuracy) for x, each in figures])
    axes.plot([-better * x for x, _ in front], [y for _, y in front], color="tab:blue", alpha=0.5)
    axes.scatter([x for x, _ in figures], [each.accuracy for _, each in figures])
    for number, (x, each) in enumerate(figures):
        axes.annotate(
            f"{each.run} {Path(each.file).suffix}",
            (x, each.accuracy),
            xytext=(-6 if x > middle else 6, -7 if number % 2 else 3),
            ha="right" if x > middle else "left",
            textcoords="offset points",
            fontsize=7,
        )
    axes.margins(0.15)
    axes.grid(alpha=0.3)


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
    draw_frontier(rows, folder / FRONTIER)
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
