"""Bars of data sets that are larger than memory: memory, start of a second run, reading.

Makes a folder of JPEG files once, then runs each step in a process of its own and prints a line of
JSON for it. The memory of a step is the peak of resident memory, and of what of it is no file;
that of its largest child beside.

    python tests/benchmarks/large_data.py FOLDER --images 30000 --side 224
"""

import argparse
import io
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

CLASSES, BATCH = 4, 128
TEST_SHARE = 6
STEPS = ("tensorflow", "train", "compress", "validate", "again", "read")


def write_images(folder: Path, numbers: range, side: int) -> None:
    """Write photographs of coarse colours and a little noise, each one another."""
    from PIL import Image

    for number in numbers:
        random = np.random.default_rng(number)
        coarse = random.integers(0, 256, (6, 6, 3), np.uint8)
        image = Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)
        noise = random.integers(0, 16, (side, side, 1), np.uint8)
        pixels = np.asarray(image) // 2 + noise + 20 * (number % CLASSES)
        buffer = io.BytesIO()
        Image.fromarray(pixels.astype(np.uint8)).save(buffer, "JPEG", quality=85)
        split = "test" if number // CLASSES % TEST_SHARE == 0 else "train"
        place = folder / split / f"class{number % CLASSES}"
        (place / f"{number:06}.jpg").write_bytes(buffer.getvalue())


def make_data(folder: Path, images: int, side: int) -> None:
    if folder.exists():
        return
    draft = folder.with_name(f"{folder.name}.draft")
    for split in ("train", "test"):
        for number in range(CLASSES):
            (draft / split / f"class{number}").mkdir(parents=True)
    with ProcessPoolExecutor() as pool:
        parts = [range(at, min(at + 500, images)) for at in range(0, images, 500)]
        list(pool.map(write_images, [draft] * len(parts), parts, [side] * len(parts)))
    draft.rename(folder)


def tiny_network(side: int) -> Any:
    from edgecv.models.tf import load_tensorflow

    _, keras = load_tensorflow()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer((side, side, 3)),
            layers.Rescaling(1 / 255),
            layers.Conv2D(8, 5, strides=4, activation="relu"),
            layers.Conv2D(16, 3, strides=4, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(CLASSES, activation="softmax"),
        ]
    )


def tensorflow(data: Path, work: Path, side: int) -> dict[str, Any]:
    """Train the network on a batch in memory: what TensorFlow takes by itself."""
    network = tiny_network(side)
    network.compile("adam", "sparse_categorical_crossentropy")
    images = np.zeros((BATCH, side, side, 3), np.float32)
    network.fit(images, np.zeros(len(images)), batch_size=BATCH, verbose=0)
    network.save(work / "network.keras")
    return {}


def compress(data: Path, work: Path, side: int) -> dict[str, Any]:
    """Prune the trained network in one epoch, calibrate, convert and measure the files."""
    import edgecv

    began = time.perf_counter()
    report = edgecv.compress(
        str(work / "trained.keras"),
        data=str(data),
        prune="0.5",
        epochs=1,
        control="off",
        max_drop=100,
        max_class_drop=100,
        formats=("tflite",),
        name="large",
        force=True,
        output=str(work / "exported"),
    )
    splits = {name: split.images for name, split in report.data.splits.items()}
    return {"outcome": report.outcome, "splits": splits, "s": time.perf_counter() - began}


def train(data: Path, work: Path, side: int) -> dict[str, Any]:
    """Train the network on in one epoch, with a new head."""
    import edgecv

    found = edgecv.train(
        str(data),
        from_model=str(work / "network.keras"),
        epochs=2,
        freeze="0",
        learning_rate=0.005,
        augment=("crop", "flip"),
        output=str(work / "trained"),
    )
    shutil.copy(found.folder / "model.keras", work / "trained.keras")
    return {"epochs": len(found.history), "accuracy": found.test.value}


def validate(data: Path, work: Path, side: int) -> dict[str, Any]:
    """Measure the files of the run again."""
    import edgecv

    return {"outcome": edgecv.validate(str(work / "exported" / "large")).outcome}


def again(data: Path, work: Path, side: int) -> dict[str, Any]:
    """Load the data a second time."""
    from edgecv.datasets.resolve import resolve

    began = time.perf_counter()
    resolve(str(data)).load((side, side, 3), 0, lambda done, total: None)
    return {"start_s": round(time.perf_counter() - began, 2)}


def read(data: Path, work: Path, side: int) -> dict[str, Any]:
    """Read random batches of the training images, and the same from a plain map, in turn."""
    from edgecv.datasets.resolve import resolve

    images = resolve(str(data)).load((side, side, 3), 0, lambda done, total: None).train.images
    plain = np.load(images.store.file, mmap_mode="r")
    seconds, random = np.zeros(2), np.random.default_rng(0)
    for number in range(120):
        rows = random.permutation(len(images))[:BATCH]
        for place in (0, 1) if number % 2 else (1, 0):
            began = time.perf_counter()
            found = images[rows] if place == 0 else np.array(plain[images.rows[rows]])
            if number >= 20:
                seconds[place] += time.perf_counter() - began
            assert found.shape[0] == len(rows)
    per_second = 100 * BATCH / seconds
    return {
        "images_a_second": round(per_second[0]),
        "of_a_plain_map": round(per_second[0] / per_second[1], 2),
    }


def watch(found: dict[str, float], stop: threading.Event) -> None:
    """Keep the highest memory of all child processes, and that of this one which is no file."""
    import psutil

    while not stop.wait(0.05):
        lines = Path("/proc/self/status").read_text().splitlines()
        own = next(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))
        found["no_file_mb"] = round(max(found["no_file_mb"], own / 1e3))
        for child in psutil.Process().children(recursive=True):
            try:
                peak = child.memory_info().rss / 1e6
            except psutil.Error:
                continue
            found["largest_child_mb"] = round(max(found["largest_child_mb"], peak))


def one_step(name: str, data: Path, work: Path, side: int) -> None:
    found, stop = {"no_file_mb": 0.0, "largest_child_mb": 0.0}, threading.Event()
    threading.Thread(target=watch, args=(found, stop), daemon=True).start()
    result = globals()[name](data, work, side)
    stop.set()
    peak = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)
    cpu = round(time.process_time(), 1)
    print(json.dumps({"step": name, "peak_mb": peak, "cpu_s": cpu, **found, **result}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--side", type=int, default=224)
    parser.add_argument("--step", choices=STEPS)
    asked = parser.parse_args()
    data = asked.folder / f"images-{asked.images}-{asked.side}"
    if asked.step is not None:
        one_step(asked.step, data, asked.folder, asked.side)
        return
    asked.folder.mkdir(parents=True, exist_ok=True)
    make_data(data, asked.images, asked.side)
    os.environ.setdefault("EDGECV_CACHE_DIR", str(asked.folder / "cache"))
    for step in STEPS:
        subprocess.run([sys.executable, __file__, *sys.argv[1:], "--step", step], check=True)


if __name__ == "__main__":
    main()
