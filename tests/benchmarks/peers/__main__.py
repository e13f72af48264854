"""Compress models with every peer and with `edgecv`, measure all files alike, write the page.

    python -m tests.benchmarks.peers --models FOLDER --data IMAGES --output FOLDER

FOLDER of --models has a .keras file for each model. What was made and measured stays in --output
and is not made again: delete the folder of a peer, or of a model, to make it anew.
"""

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from edgecv.system.environment import environment

from . import measuring, tools
from .measuring import FLOAT, Row
from .page import page

PAGE = Path(__file__).parents[3] / "docs" / "results" / "peers.md"
Model = dict[str, Any]


def once(path: Path, make: Callable[[], Any]) -> Any:
    """Return what a JSON file holds, made where it is not there."""
    if not path.is_file():
        made = json.dumps(make(), indent=1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(made, "utf-8")
    return json.loads(path.read_text("utf-8"))


def compare(
    model: Path, data: str, output: Path, peers: Sequence[tools.Peer], budget_s: float
) -> Model:
    """Return the rows of a model: its files by us and by each peer, measured."""
    folder = output / model.stem
    inputs, made = folder / "inputs", []
    rows: list[Row] = []
    for arguments in dict.fromkeys([tools.CONVERTED, *(peer.ours for peer in peers)]):
        print(f"{model.stem}: edgecv {' '.join(arguments)}", flush=True)
        run = folder / ("edgecv" + arguments[0].replace("--quantize", "").replace("--", "-"))
        found = once(
            run.with_suffix(".json"),
            lambda r=run, a=arguments: measuring.compress(model, data, r, a),
        )
        if not inputs.exists():
            measuring.prepare(run, data, inputs)
        rows += _measured(found, run.with_suffix(".measured.json"), inputs, data, arguments)
    for peer in peers:
        print(f"{model.stem}: {peer.name}", flush=True)
        place = folder / peer.script
        result = once(place / "made.json", lambda p=peer, o=place: _make(p, inputs, o, output))
        made.append({**result, "peer": peer.name})
        files = [{**each, "file": str(place / each["file"])} for each in result["files"]]
        files += [{"error": result["error"]}] if result["error"] else []
        found = [{**each, "peer": peer.name} for each in files]
        rows += _measured(found, place / "measured.json", inputs, data, peer.ours)
    report = json.loads((folder / "edgecv" / "report.json").read_text("utf-8"))
    return {
        "name": model.stem,
        "parameters": report["baseline"]["parameters"],
        "accuracy": report["baseline"]["value"],
        "images": report["data"]["splits"]["test"]["images"],
        "tools": made,
        "rows": timed(rows, inputs, folder, budget_s),
    }


def _make(peer: tools.Peer, inputs: Path, place: Path, output: Path) -> dict[str, Any]:
    python, error = tools.install(peer, output / "environments")
    return {"files": [], "error": error} if error else tools.make(peer, python, inputs, place)


def _measured(
    rows: list[Row], stored: Path, inputs: Path, data: str, way: tuple[str, ...]
) -> list[Row]:
    """Return the rows of files with their size and quality, and those without a file as they are.

    Of ours and theirs with one way the same was asked.
    """
    files = [row for row in rows if "error" not in row]
    twin = inputs / FLOAT["tflite"]
    found = once(stored, lambda: measuring.validate(files, twin, data) if files else [])
    failed = [row for row in rows if "error" in row]
    return [{**row, "way": " ".join(way)} for row in [*found, *failed]]


def timed(rows: list[Row], inputs: Path, folder: Path, budget_s: float) -> list[Row]:
    """Return rows with their speed over the float file, and over each file of ours."""
    for form, name in FLOAT.items():
        own = [row for row in rows if row.get("format") == form]
        twin, paths = str(inputs / name), [row["file"] for row in own]
        stored = folder / f"bench-{form}.json"
        ratios = once(stored, lambda p=[twin, *paths]: measuring.bench(p, budget_s))
        if set(ratios.get(twin, ())) != {twin, *paths}:
            # Of other peers.
            stored.unlink()
            ratios = once(stored, lambda p=[twin, *paths]: measuring.bench(p, budget_s))
        for row in own:
            row["faster"] = ratios[twin][row["file"]]
            row["than"] = {first: found[row["file"]] for first, found in ratios.items()}
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks.peers", description=__doc__.partition("\n")[0]
    )
    parser.add_argument("--models", type=Path, required=True, help="a folder of .keras files")
    parser.add_argument("--data", required=True, help="the images, as edgecv compress takes them")
    parser.add_argument("--output", type=Path, required=True, help="what is made and measured")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page to write")
    parser.add_argument("--budget", type=float, default=30, help="seconds of edgecv bench")
    parser.add_argument(
        "--peers", nargs="*", help="scripts of the peers to run instead of all",
        choices=[peer.script for peer in tools.PEERS],
    )  # fmt: skip
    options = parser.parse_args(arguments)
    peers = [each for each in tools.PEERS if options.peers is None or each.script in options.peers]
    output = options.output.resolve()
    models = [
        compare(path.resolve(), options.data, output, peers, options.budget)
        for path in sorted(options.models.glob("*.keras"))
    ]
    options.page.write_text(page(models, environment(), Path(options.data).name), "utf-8")


if __name__ == "__main__":
    main()
