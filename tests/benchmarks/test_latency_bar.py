"""How often `bench` tells two files apart with a busy neighbour: `pytest -m benchmark -s`."""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from edgecv.analysis.bench import BenchOptions, BenchResult, bench_files

pytestmark = pytest.mark.benchmark
ROUNDS = 20
BUDGET = BenchOptions(budget=10.0)
LAYERS, MORE_LAYERS = 10, 13
"""Equal convolutions: 13 of them take 1.3 times as long as 10."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Return an int8 network, a copy of it, and one with 1.3 times the layers."""
    from edgecv.formats.tflite.exporter import TFLite
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    folder = tmp_path_factory.mktemp("files")
    images = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), dtype=np.uint8)
    for count in (LAYERS, MORE_LAYERS):
        keras.utils.set_random_seed(0)
        image = tensor = keras.Input((16, 16, 3))
        tensor = keras.layers.Rescaling(1 / 128, -1.0)(tensor)
        for _ in range(count):
            tensor = keras.layers.Conv2D(16, 3, padding="same", activation="relu")(tensor)
        tensor = keras.layers.Dense(10)(keras.layers.GlobalAveragePooling2D()(tensor))
        model = keras.Model(image, keras.layers.Softmax()(tensor))
        TFLite(precision="int8").export(model, images, folder / f"{count}.tflite")
    shutil.copy(folder / f"{LAYERS}.tflite", folder / "copy.tflite")
    names = {"first": LAYERS, "copy": "copy", "slower": MORE_LAYERS}
    return {name: folder / f"{stem}.tflite" for name, stem in names.items()}


@pytest.fixture
def busy_core() -> Iterator[None]:
    """Keep one core busy."""
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as neighbour:
        yield
        neighbour.kill()


def rounds(first: Path, other: Path) -> list[BenchResult]:
    print(
        "\n| run | file | ratio | 95% | verdict | seconds | noise |\n|---|---|---|---|---|---|---|"
    )
    found = []
    for number in range(1, ROUNDS + 1):
        found.append(bench_files([first, other], BUDGET))
        (_, timing), (low, high) = found[-1].timings, found[-1].timings[1].interval
        print(
            f"| {number} | {other.stem} | {timing.ratio:.4f} | {low:.4f} to {high:.4f} "
            f"| {timing.verdict} | {found[-1].seconds:.1f} | {'; '.join(found[-1].warnings)} |",
            flush=True,
        )
    return found


@pytest.mark.usefixtures("busy_core")
def test_two_copies_are_not_distinguishable(files: dict[str, Path]) -> None:
    found = rounds(files["first"], files["copy"])
    same = [each.timings[1].verdict == "not distinguishable" for each in found]
    print(f"not distinguishable in {sum(same)} of {ROUNDS}")
    assert sum(same) >= ROUNDS - 1
    assert max(each.seconds for each in found) <= BUDGET.budget


@pytest.mark.usefixtures("busy_core")
def test_a_file_1_3_times_slower_is_with_distinct_digits(files: dict[str, Path]) -> None:
    found = rounds(files["first"], files["slower"])
    slower = [each.timings[1].verdict == "slower" for each in found]
    print(f"told apart in {sum(slower)} of {ROUNDS}")
    assert all(slower)
    assert max(each.seconds for each in found) <= BUDGET.budget
