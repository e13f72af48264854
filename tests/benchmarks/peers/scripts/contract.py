"""What the driver gives to the script of each peer, and what it gets back.

    PYTHON scripts/PEER.py INPUTS OUTPUT

INPUTS has model.keras (Keras 2, pixels of 0..255, probabilities out), float32.tflite and
float32.onnx, which `edgecv` has exported from it, calibration.npy (uint8, NHWC), and for peers that
train train_images.npy and train_labels.npy. OUTPUT gets the files and result.json.
"""

import json
import os
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import numpy as np

if find_spec("tf_keras"):
    # The models are of Keras 2. TensorFlow reads this when it is imported, after this module.
    os.environ["TF_USE_LEGACY_KERAS"] = "1"
Made = Iterator[tuple[Path, str]]
"""Each file as soon as it is written, and how it was made in a few words.

One with float activations and int8 weights is called dynamic."""


def calibration(inputs: Path) -> Iterator[np.ndarray]:
    """Return the calibration images one by one: float32 (1, H, W, C), 0..255."""
    return (image[None].astype(np.float32) for image in np.load(inputs / "calibration.npy"))


def keep_files(make: Callable[[Path, Path], Made], guide: str, packages: tuple[str, ...]) -> None:
    """Make the files of a peer, and write result.json anew after each: what came before an error
    is kept, and the seconds of the processor that it took."""
    inputs, output = map(Path, sys.argv[1:3])
    versions = {name: version(name) for name in packages}
    files: list[dict] = []
    before = 0.0
    for path, recipe in make(inputs, output):
        used = sum(os.times()[:4])
        files.append({"file": path.name, "recipe": recipe, "seconds": used - before})
        result = {"guide": guide, "versions": versions, "files": files}
        (output / "result.json").write_text(json.dumps(result, indent=1), "utf-8")
        before = used
