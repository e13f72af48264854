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
    print(f"{model.stem}: edgecv", flush=True)
    ours = once(folder / "ours.json", lambda: _ours(model, data, folder))
    rows, run = ours, folder / "edgecv"
    inputs, made = folder / "inputs", []
    if not (inputs / "train_labels.npy").is_file():
        measuring.prepare(run, data, inputs)
    for peer in peers:
        print(f"{model.stem}: {peer.name}", flush=True)
        place = folder / peer.script
        result = once(place / "made.json", lambda p=peer, o=place: _make(p, inputs, o, output))
        made.append({**result, "peer": peer.name})
        rows += once(
            place / "measured.json",
            lambda m=made[-1], o=place: _measured(m, o, inputs / "model.keras", data),
        )
    report = json.loads((run / "report.json").read_text("utf-8"))
    return {
        "name": model.stem,
        "parameters": report["baseline"]["parameters"],
        "accuracy": report["baseline"]["value"],
        "images": report["data"]["splits"]["test"]["images"],
        "tools": made,
        "rows": timed(rows, inputs, folder, budget_s),
    }


def _ours(model: Path, data: str, folder: Path) -> list[Row]:
    folder.mkdir(parents=True, exist_ok=True)
    rows = measuring.compress(model, data, folder / "edgecv")
    return _validated(rows, model, data, folder / "validate.log", is_ours=True)


def _make(peer: tools.Peer, inputs: Path, place: Path, output: Path) -> dict[str, Any]:
    python, error = tools.install(peer, output / "environments")
    return {"files": [], "error": error} if error else tools.make(peer, python, inputs, place)


def _measured(made: dict[str, Any], place: Path, baseline: Path, data: str) -> list[Row]:
    rows = [
        {**each, "file": str(place / each["file"]), "peer": made["peer"]} for each in made["files"]
    ]
    measured = _validated(rows, baseline, data, place / "validate.log", is_ours=False)
    if made["error"]:
        measured.append({"peer": made["peer"], "error": made["error"], "is_ours": False})
    return measured


def _validated(
    rows: list[Row], baseline: Path, data: str, log: Path, *, is_ours: bool
) -> list[Row]:
    files = [row for row in rows if "error" not in row]
    found = measuring.validate(files, baseline, data, log) if files else []
    return [{**row, "is_ours": is_ours} for row in [*found, *(r for r in rows if "error" in r)]]


def timed(rows: list[Row], inputs: Path, folder: Path, budget_s: float) -> list[Row]:
    """Return rows with their speed against the float file and against ours, for each format."""
    for form, name in FLOAT.items():
        own = [row for row in rows if row.get("format") == form]
        ours = next((row["file"] for row in own if row["is_ours"]), None)
        for key, first in (("faster", str(inputs / name)), ("than_ours", ours)):
            if first is None or not own:
                continue
            paths, log = [row["file"] for row in own], folder / f"bench-{form}-{key}"
            ratios = once(
                log.with_suffix(".json"),
                lambda f=first, p=paths, g=log: measuring.bench(
                    f, p, budget_s, g.with_suffix(".log")
                ),
            )
            for row in own:
                row[key] = ratios.get(row["file"], "not timed")
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
