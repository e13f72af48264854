"""Timings, printed and compared as ratios in one run: `pytest -m benchmark -s`."""

import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark
BY_HAND = Path(__file__).parent / "by_hand.py"
ROUNDS = 3


def seconds(*command: str | Path) -> float:
    started = time.perf_counter()
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return time.perf_counter() - started


def edgecv(*arguments: str | Path) -> tuple[str, ...]:
    return (sys.executable, "-m", "edgecv", *map(str, arguments))


@pytest.fixture(scope="module")
def exported(tmp_path_factory: pytest.TempPathFactory, cifar_zip: Path) -> Path:
    """Return an output folder with a baseline on the CIFAR zip, by the usual schedule."""
    folder = tmp_path_factory.mktemp("benchmark") / "exported"
    seconds(*edgecv("train", "--data", cifar_zip, "--output", folder))
    return folder


def test_compress_against_a_script_by_hand(exported: Path, cifar_zip: Path, tmp_path: Path) -> None:
    """Print how much more `compress` takes than a script with the same conversions."""
    (model,) = exported.glob("baselines/*/model.keras")
    ours, by_hand = [], []
    for number in range(ROUNDS):
        for stage in ("exports", "predictions"):
            shutil.rmtree(exported / ".store" / stage, ignore_errors=True)
        command = edgecv(
            "compress", "--data", cifar_zip, "--name", f"run{number}", "--output", exported
        )
        ours.append(seconds(*command))
        hand = tmp_path / str(number)
        hand.mkdir()
        by_hand.append(seconds(sys.executable, BY_HAND, model, cifar_zip, hand))
    ratio = statistics.median(ours) / statistics.median(by_hand)
    print(f"\ncompress {ours}, by hand {by_hand}: ratio of medians {ratio:.2f}")
    assert ratio < 1.5  # The bar is 1.15; a shared machine is given some room.


def test_the_two_schedules(exported: Path, cifar_zip: Path, tmp_path: Path) -> None:
    """Print accuracy and seconds of the reference and the quick schedule, one after the other."""
    rows = {}
    for schedule in ("reference", "quick"):
        folder = tmp_path / schedule
        done = subprocess.run(
            edgecv(
                "compress", "--data", cifar_zip, "--schedule", schedule, "--quantize", "none",
                "--output", folder, "--json",
            ),
            capture_output=True,
            text=True,
            check=True,
        )  # fmt: skip
        report = json.loads(done.stdout)
        (record,) = folder.glob("baselines/*/training.json")
        history = json.loads(record.read_text())["history"]
        total = sum(epoch["seconds"] for epoch in history)
        rows[schedule] = report["baseline"]["value"], total
        print(f"\n{schedule}: test accuracy {rows[schedule][0]:.2%}, {total:.0f} s of training")
    assert rows["quick"][0] >= rows["reference"][0] + 0.03
    ratio = rows["quick"][1] / rows["reference"][1]
    print(f"quick over reference: {ratio:.2f} of the time")


def test_an_epoch_of_training(exported: Path) -> None:
    """Print the seconds of an epoch beside `fit` of Keras, and a compiled loop of PyTorch.

    PyTorch is none of our packages: name the Python of an environment that has it by EDGECV_TORCH.
    """
    (record,) = exported.glob("baselines/*/training.json")
    history = json.loads(record.read_text())["history"]
    seconds = {"edgecv": statistics.median(epoch["seconds"] for epoch in history[1:])}
    pythons = {"keras": sys.executable, "torch": os.environ.get("EDGECV_TORCH")}
    for how, python in pythons.items():
        if python is None:
            print(f"\n{how}: not timed, as EDGECV_TORCH is not set")
            continue
        done = subprocess.run(
            [python, BY_HAND.parent / "train_by_hand.py", how, "46500", "4"],
            capture_output=True,
            text=True,
            check=True,
        )
        seconds[how] = statistics.median(json.loads(done.stdout)[1:])
    ratios = {how: f"{seconds['edgecv'] / each:.2f}" for how, each in seconds.items()}
    print(f"\nseconds an epoch {seconds}; ours over each: {ratios}")


def test_evaluation_of_5000_images(output: Path) -> None:
    """Print the time of 5,000 images through one int8 TFLite file, on all cores."""
    import numpy as np

    from edgecv.pipeline.recipe.from_flags import CompressOptions
    from edgecv.pipeline.run import run
    from edgecv.system.isolation import ModelClient
    from edgecv.system.storage import Store

    recipe = CompressOptions(
        data="digits", epochs=3, name="evaluation", formats=("tflite",)
    ).to_recipe()
    run(recipe, Store(output))
    images = np.random.default_rng(0).integers(0, 256, (5000, 32, 32, 3), dtype=np.uint8)
    path = output / "evaluation" / "int8.tflite"
    with ModelClient("litert", os.cpu_count() or 1) as worker:
        worker.predict(path, images)
        times = []
        for _ in range(9):
            started = time.perf_counter()
            worker.predict(path, images)
            times.append(time.perf_counter() - started)
    print(f"\n5,000 images through int8.tflite: {statistics.median(times):.3f} s")


def test_help_is_quick() -> None:
    """Print what `edgecv --help` costs over a bare Python."""
    ours = statistics.median(seconds(*edgecv("--help")) for _ in range(9))
    bare = statistics.median(seconds(sys.executable, "-c", "pass") for _ in range(9))
    print(f"\n--help {ours:.3f} s, python -c pass {bare:.3f} s, more by {ours - bare:.3f} s")
