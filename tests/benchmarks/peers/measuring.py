"""Measurements: by `edgecv validate` and `edgecv bench`, of files of any maker in the same way."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.datasets.resolve import resolve
from edgecv.evaluation.statistics.binary_scores import difference_interval

CALIBRATION_IMAGES = 200
"""As many as `edgecv` takes by default."""
OURS = ("int8", "dynamic")
"""Precisions of ours, as peers have them."""
FLOAT = {"tflite": "float32.tflite", "onnx": "float32.onnx"}
Row = dict[str, Any]


def edgecv(*arguments: str | Path, log: Path) -> dict[str, Any]:
    """Run a command of `edgecv` with --json; return what it prints, or its last words as error."""
    command = [sys.executable, "-m", "edgecv", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    log.write_text(done.stderr, "utf-8")
    if not done.stdout.strip():
        return {"error": (done.stderr.strip().splitlines() or ["no output"])[-1]}
    return json.loads(done.stdout)


def compress(model: Path, data: str, run: Path) -> list[Row]:
    """Compress a model as `edgecv` does, and return a row for each file that is no twin."""
    before = sum(os.times()[2:4])
    report = edgecv(
        "compress", model, "--quantize", ",".join(OURS), "--data", data,
        "--name", run.name, "--output", run.parent, log=run.parent / "compress.log",
    )  # fmt: skip
    seconds = sum(os.times()[2:4]) - before
    if "error" in report:
        return [{"peer": "edgecv", "error": report["error"]}]
    return [
        {
            "peer": f"edgecv {each['artifact']['precision']}",
            "recipe": f"edgecv compress --quantize {each['artifact']['precision']}",
            "seconds": seconds,
            "file": str(run / each["artifact"]["path"]),
        }
        for each in report["comparisons"]
        if not each["is_twin"]
    ]


def prepare(run: Path, data: str, inputs: Path) -> None:
    """Give peers the model, its float exports, and the images that `edgecv` drew for itself."""
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir(parents=True)
    shutil.copy(run / "baseline.keras", inputs / "model.keras")
    for name in FLOAT.values():
        shutil.copy(run / name, inputs / name)
    report = json.loads((run / "report.json").read_text("utf-8"))
    height, width, channels = report["comparisons"][0]["input"]["shape"][1:]
    images = resolve(data).load((height, width, channels), 0, lambda *_, **__: None)
    np.save(inputs / "calibration.npy", images.calibration.images[:CALIBRATION_IMAGES])
    np.save(inputs / "train_images.npy", images.train.images)
    np.save(inputs / "train_labels.npy", images.train.labels)


def validate(rows: Sequence[Row], baseline: Path, data: str, log: Path) -> list[Row]:
    """Return the rows of files with their size and quality, or with why they have none."""
    paths = [row["file"] for row in rows]
    report = edgecv(
        "validate", *paths, "--baseline", baseline, "--data", data, "--preprocess", "0..255",
        log=log,
    )  # fmt: skip
    measured = {each["artifact"]["path"]: each for each in report.get("comparisons", ())}
    reasons = {
        each["artifact"]: each["reason"]
        for each in report.get("gates", ())
        if each["name"] == "runs" and each["outcome"] == "failed"
    }
    found = []
    for row in rows:
        one = measured.get(row["file"])
        if one is None:
            error = reasons.get(row["file"]) or report.get("error", "not measured")
            found.append({**row, "error": error})
            continue
        artifact, accuracy = one["artifact"], one["statistics"]["accuracy"]
        flips = one["statistics"]["flips"]
        found.append(
            {
                **row,
                "format": artifact["format"],
                "input": one["input"]["type"],
                "bytes": artifact["bytes"],
                "gzip": artifact["gzip_bytes"],
                "value": one["value"],
                "points": accuracy["difference_points"],
                "interval": accuracy["interval_points"],
                "images": accuracy["images"],
                "wins": flips["wins"],
                "losses": flips["losses"],
            }
        )
    return found


def bench(first: str, paths: Sequence[str], budget_s: float, log: Path) -> dict[str, Any]:
    """Return path -> (ratio, low, high): how many times faster than the first file it is.

    A string in place of the numbers says why there are none.
    """
    others = [path for path in paths if path != first]
    result = edgecv("bench", first, *others, "--budget", str(budget_s), log=log)
    ratios: dict[str, Any] = dict.fromkeys(paths, result.get("error", "not timed"))
    ratios.update(result.get("failures", {}))
    for each in result.get("timings", ()):
        low, high = each["interval"] or (each["ratio"],) * 2
        ratios[each["path"]] = (1 / each["ratio"], 1 / high, 1 / low)
    return ratios


def against(row: Row, ours: Row) -> tuple[float, float, float]:
    """Return a file's points against another's on the same images, and their interval."""
    right, other = _changed(row), _changed(ours)
    difference = right - other
    wins, losses = int((difference > 0).sum()), int((difference < 0).sum())
    low, high = difference_interval(wins, losses, row["images"])
    return (wins - losses) / row["images"] * 100, low * 100, high * 100


def _changed(row: Row) -> np.ndarray:
    """Return 1 for images that a file alone has right, -1 that the baseline alone has: (N,)."""
    changed = np.zeros(row["images"], np.int64)
    changed[row["wins"]] = 1
    changed[row["losses"]] = -1
    return changed
