"""Files of other makers that several tests use."""

from pathlib import Path

import numpy as np
import pytest

from edgecv.core.data import Images

SIDE, CLASSES = 8, 10


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an .npz whose labels are what ``mean_colour`` says of pixels of -1..1."""
    import onnx_files

    path = tmp_path_factory.mktemp("data") / "data.npz"
    random = np.random.default_rng(2)
    arrays: dict[str, np.ndarray] = {}
    for split, most in (("train", 25), ("test", 12)):
        base = random.integers(0, 216, (6000, 1, 1, 3))
        images: Images = (base + random.integers(0, 40, (6000, SIDE, SIDE, 3))).astype(np.uint8)
        labels = onnx_files.logits_of(images, 1 / 127.5, -1.0).argmax(axis=1)
        chosen = np.concatenate([np.flatnonzero(labels == k)[:most] for k in range(CLASSES)])
        arrays |= {f"x_{split}": images[chosen], f"y_{split}": labels[chosen]}
    np.savez(path, **arrays)
    return path
