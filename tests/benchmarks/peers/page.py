"""The page of results: a table for each model and format, and where a peer is ahead."""

import platform
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

from .measuring import OURS, Row, against

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
- A peer is called ahead of ours where its accuracy is not worse (interval of the difference on the
  same images) and its file is smaller, or faster by the whole interval; or where it is more
  accurate. Ours is the file of the same format, with activations of the same kind, by the
  same techniques.
- Peers that start from a float32 TFLite or ONNX file start from ours, which is packed.

Repeat it with a folder of trained `.keras` files, from a checkout:

```text
python -m tests.benchmarks.peers --models MODELS --data cifar10-images.zip --output PEERS
```
"""
COLUMNS = ("tool", "recipe", "input", "bytes", "gzip -9", "accuracy", "points", "faster", "seconds")


def page(models: Sequence[Mapping[str, Any]], environment: Mapping[str, Any], data: str) -> str:
    """Return the page in Markdown."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = [
        f"- machine: {environment['processor']}, {environment['cores']} cores"
        f" (`{platform.node()}`)",
        f"- date: {date.today().isoformat()}",
        *([f"- commit: `{commit}`"] if commit else []),
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
    for name, tool in tools.items():
        versions = ", ".join(f"{key} {value}" for key, value in tool.get("versions", {}).items())
        guide = f" ([guide]({tool['guide']}))" if "guide" in tool else ""
        yield f"- {name}: {versions or 'not run'}{guide}"


def _model(model: Mapping[str, Any]) -> str:
    parts = [
        f"\n## {model['name']}\n\n{model['parameters']:,} parameters, {model['accuracy']:.2%} of"
        f" {model['images']:,} test images right.\n"
    ]
    for form, title in (("tflite", "TFLite"), ("onnx", "ONNX")):
        rows = [row for row in model["rows"] if row.get("format") == form]
        parts += [f"\n### {title}\n\n", _table(rows), "\n", *ahead_of(model["rows"], form)]
    broken = [row for row in model["rows"] if "format" not in row]
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


def ahead_of(rows: Sequence[Row], form: str) -> Iterator[str]:
    """Yield a line for each file of a peer that is ahead of ours in a format."""
    files = [row for row in rows if row.get("format") == form]
    ours = [row for row in files if row["peer"] == OURS]
    peers = [row for row in files if row["peer"] != OURS]
    if ours and peers:
        lines = [line for row in peers if (line := _ahead(row, _rival(row, ours)))]
        yield "".join(lines) or "No peer is ahead of ours.\n"


def _rival(row: Row, ours: Sequence[Row]) -> Row:
    """Return the file of ours for which most of the same was asked."""
    return max(ours, key=lambda each: (each["way"] == row["way"], _kind(each) == _kind(row)))


def _kind(row: Row) -> bool:
    """Return True for a file with float activations and int8 weights: it is called so."""
    return "dynamic" in Path(row["file"]).name


def _ahead(row: Row, ours: Row) -> str:
    difference = against(row, ours)
    if difference[2] < 0:
        return ""
    found = []
    if difference[1] > 0:
        found.append(f"more accurate by {_interval(*difference, '.2f')} points")
    if row["bytes"] < ours["bytes"]:
        found.append(f"{ours['bytes'] - row['bytes']:,} bytes smaller")
    if row["gzip"] < ours["gzip"]:
        found.append(f"{ours['gzip'] - row['gzip']:,} bytes smaller after gzip")
    ratio = row["than"].get(ours["file"], "not timed")
    if not isinstance(ratio, str) and ratio[1] > 1:
        found.append(f"{_ratio(ratio)} times faster")
    if not found:
        return ""
    return f"- **{_named(row)}** is ahead of {_named(ours)}: {'; '.join(found)}.\n"
