"""The page of results: a table for each model and format, and who is ahead."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from .measuring import OURS, Row, against
from .tools import PEERS

HEAD = """# Beside other tools

Made by `python -m tests.benchmarks.peers`; nothing here is written by hand. Each tool runs in an
environment of its own, with the versions that are pinned in `tests/benchmarks/peers/requirements`,
by the steps of its own guide, on the same trained models and the same calibration images. Then
`edgecv validate` and `edgecv bench` measure every file in the same way: TFLite files in LiteRT
with XNNPACK, ONNX files in ONNX Runtime on the CPU, one thread, one image, fresh processes in turn.

"""
NOTES = """
- points: against the float32 TFLite file, which answers as the Keras model does, on the same test
  images, with Tango's 95% interval.
- faster: than the float32 file of the same format and model, with its 95% interval over processes.
- input: a file that takes `float32` leaves the conversion of a camera's bytes to its caller; that
  time is not in the table.
- seconds: of the processor, from the start of the tool, the second file of one after its first;
  ours are those of the whole command, which also evaluates, times and proves its files.
- The second table of each format holds a peer's file against ours of the same format, with
  activations of the same kind, by the same techniques: its points, bytes and speed over ours. One
  of the two is ahead in bytes, gzip or time only where it is not less accurate (95% interval of the
  difference on the same images), and in time where the whole interval says so.
- Peers that start from a float32 TFLite or ONNX file start from ours, which is packed.

Repeat it with a folder of trained `.keras` files, from a checkout:

```text
python -m tests.benchmarks.peers --models MODELS --data cifar10-images.zip --output PEERS
```
"""
COLUMNS = ("tool", "recipe", "input", "bytes", "gzip -9", "accuracy", "points", "faster", "seconds")
AGAINST = (
    "tool",
    "recipe",
    "ours",
    "points",
    "bytes",
    "gzip -9",
    "times as fast",
    "it is ahead in",
    "ours is ahead in",
)


def page(models: Sequence[Mapping[str, Any]], environment: Mapping[str, Any], data: str) -> str:
    """Return the page in Markdown."""
    commits = {row["commit"] for model in models for row in model["rows"] if row.get("commit")}
    facts = [
        f"- machine: {environment['processor']}, {environment['cores']} cores"
        f" (`{environment['machine']}`)",
        f"- date: {date.today().isoformat()}",
        *(f"- commit: `{commit}`" for commit in sorted(commits)),
        f"- data: {data}",
        "- measured with: "
        + ", ".join(
            f"{name} {environment[name]}" for name in ("edgecv", "ai-edge-litert", "onnxruntime")
        ),
        *_tools(models),
    ]
    parts = [_model(each) for each in models]
    return HEAD + "\n".join(facts) + "\n" + NOTES + "".join(parts)


def _tools(models: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    tools = {tool["peer"]: tool for model in models for tool in model["tools"]}
    for name in [peer.name for peer in PEERS]:
        tool = tools.get(name, {})
        versions = ", ".join(f"{key} {value}" for key, value in tool.get("versions", {}).items())
        guide = f" ([guide]({tool['guide']}))" if "guide" in tool else ""
        left_out = f"failed: {tool['error']}" if tool.get("error") else "left out of this run"
        yield f"- {name}: {versions or left_out}{guide}"


def _model(model: Mapping[str, Any]) -> str:
    parts = [
        f"\n## {model['name']}\n\n{model['parameters']:,} parameters, {model['accuracy']:.2%} of"
        f" {model['images']:,} test images right.\n"
    ]
    for form, title in (("tflite", "TFLite"), ("onnx", "ONNX")):
        rows = [row for row in model["rows"] if row.get("format") == form]
        parts += [f"\n### {title}\n\n", _table(rows), against_ours(rows, form)]
    broken = [row for row in model["rows"] if "format" not in row]
    run = {tool["peer"] for tool in model["tools"]}
    left_out = "left out of this run by --peers"
    broken += [{"peer": each.name, "error": left_out} for each in PEERS if each.name not in run]
    if broken:
        parts.append("\n### Without a result\n\n")
        parts += [f"- {_named(row)}: {row['error']}\n" for row in broken]
    return "".join(parts)


def _named(row: Row) -> str:
    return f"{row['peer']}, {row['recipe']}" if row.get("recipe") else row["peer"]


def _table(rows: Sequence[Row]) -> str:
    lines = [f"| {' | '.join(COLUMNS)} |", f"|{' --- |' * len(COLUMNS)}"]
    for row in rows:
        cells = (
            row["peer"],
            row["recipe"],
            row["input"],
            f"{row['bytes']:,}",
            f"{row['gzip']:,}",
            f"{row['value']:.2%}",
            _interval(row["points"], *row["interval"], "+.2f"),
            _ratio(row["faster"]),
            f"{row['seconds']:.1f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _interval(value: float, low: float, high: float, form: str) -> str:
    return f"{value:{form}} ({low:{form}} to {high:{form}})"


def _ratio(value: Any) -> str:
    return value if isinstance(value, str) else _interval(*value, ".2f")


def against_ours(rows: Sequence[Row], form: str) -> str:
    """Return a table of the files of peers in a format, each held against ours."""
    files = [row for row in rows if row.get("format") == form]
    ours = [row for row in files if row["peer"] == OURS]
    peers = [row for row in files if row["peer"] != OURS]
    if not ours or not peers:
        return ""
    lines = [f"\n| {' | '.join(AGAINST)} |", f"|{' --- |' * len(AGAINST)}"]
    for row in peers:
        rival = _rival(row, ours)
        points, low, high = against(row, rival)
        cells = (
            row["peer"],
            row["recipe"],
            Path(rival["file"]).name,
            _interval(points, low, high, "+.2f"),
            f"{row['bytes'] - rival['bytes']:+,}",
            f"{row['gzip'] - rival['gzip']:+,}",
            _ratio(row["than"].get(rival["file"], "not timed")),
            ", ".join(leads(row, rival, low, high)) or "-",
            ", ".join(leads(rival, row, -high, -low)) or "-",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _rival(row: Row, ours: Sequence[Row]) -> Row:
    """Return the file of ours for which most of the same was asked."""
    return max(ours, key=lambda each: (each["way"] == row["way"], _kind(each) == _kind(row)))


def _kind(row: Row) -> bool:
    """Return True for a file with float activations and int8 weights: it is called so."""
    return "dynamic" in Path(row["file"]).name


def leads(row: Row, other: Row, low: float, high: float) -> list[str]:
    """Return in what a file is ahead of another, by the interval of its points against it.

    One that is less accurate is ahead in nothing.
    """
    if high < 0:
        return []
    ratio = row["than"].get(other["file"], "not timed")
    found = {
        "accuracy": low > 0,
        "bytes": row["bytes"] < other["bytes"],
        "gzip": row["gzip"] < other["gzip"],
        "time": not isinstance(ratio, str) and ratio[1] > 1,
    }
    return [name for name, is_ahead in found.items() if is_ahead]
