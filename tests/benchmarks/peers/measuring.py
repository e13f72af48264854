"""Measurements: by `edgecv validate` and `edgecv bench`, of files of any maker in the same way."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from edgecv.analysis.bench.rounds import Bench
from edgecv.analysis.options import BenchOptions, ValidateOptions
from edgecv.analysis.validate import validate as edgecv_validate
from edgecv.analysis.validate_request import request_of
from edgecv.core.comparison import Comparison
from edgecv.core.errors import EdgecvError
from edgecv.datasets.resolve import resolve
from edgecv.evaluation.latency import Blocks, speedup
from edgecv.evaluation.statistics.binary_scores import difference_interval
from edgecv.pipeline.context import open_analysis
from edgecv.pipeline.recipe.run_settings import RunSettings

CALIBRATION_IMAGES = 200
"""As many as `edgecv` takes by default."""
OURS = "edgecv"
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


def compress(model: Path, data: str, run: Path, arguments: Sequence[str]) -> list[Row]:
    """Compress a model as `edgecv` does, and return a row for each file that is no twin."""
    before = sum(os.times()[2:4])
    report = edgecv(
        "compress", model, *arguments, "--data", data, "--name", run.name,
        "--output", run.parent, log=run.with_suffix(".log"),
    )  # fmt: skip
    recipe = " ".join(arguments)
    seconds = sum(os.times()[2:4]) - before
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    made = {"peer": OURS, "recipe": recipe, "seconds": seconds, "commit": commit.stdout.strip()}
    if "error" in report:
        return [{**made, "error": report["error"]}]
    files = [each["artifact"] for each in report["comparisons"] if not each["is_twin"]]
    return [{**made, "file": str(run / each["path"])} for each in files]


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


def validate(rows: Sequence[Row], baseline: Path, data: str) -> list[Row]:
    """Return the rows of files with their size and quality, or with why they have none."""
    options = ValidateOptions(
        paths=[Path(row["file"]) for row in rows],
        baseline=baseline,
        data=data,
        preprocess="0..255",
    )
    request = replace(request_of(options), timed=False, unproven=())
    try:
        with open_analysis(request.settings) as context:
            report, _ = edgecv_validate(request, context)
    except EdgecvError as error:
        return [{**row, "error": str(error)} for row in rows]
    measured = {each.artifact.path: each for each in report.comparisons}
    reasons = {each.artifact: each.reason for each in report.gates if each.name == "runs"}
    return [
        {**row, "error": reasons[row["file"]]}
        if row["file"] not in measured
        else {**row, **quality(measured[row["file"]])}
        for row in rows
    ]


def quality(measured: Comparison) -> Row:
    """Return what the page shows of a comparison, and the images whose answer has changed."""
    assert measured.statistics is not None
    accuracy, flips = measured.statistics.accuracy, measured.statistics.flips
    return {
        "format": measured.artifact.format,
        "input": measured.input.type,
        "bytes": measured.artifact.bytes,
        "gzip": measured.artifact.gzip_bytes,
        "value": measured.value,
        "points": accuracy.difference_points,
        "interval": accuracy.interval_points,
        "images": accuracy.images,
        "wins": flips.wins,
        "losses": flips.losses,
    }


def bench(paths: Sequence[str], budget_s: float) -> dict[str, Any]:
    """Time files as `edgecv bench` does, in one run; return first -> second -> how many times
    faster the second is, with its interval, or a sentence where one was not timed."""
    places = [Path(path) for path in paths]
    with open_analysis(RunSettings(name="bench")) as context:
        timing = Bench(places, BenchOptions(budget=budget_s), context)
        timing.run()
    return {
        str(first.path): {
            str(each.path): timing.failures[each]
            if each in timing.failures
            else _ratio(timing.blocks[first], timing.blocks[each])
            for each in timing.combinations
        }
        for first in timing.alive()
    }


def _ratio(first: Sequence[Blocks], second: Sequence[Blocks]) -> tuple[float, float, float]:
    ratio, interval = speedup(first, second)
    return (ratio, *(interval or (0.0, np.inf)))


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
