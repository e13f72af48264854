"""Small real data sets, and a cache of its own for every test."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

Encode = Callable[..., bytes]
MakeTree = Callable[..., Path]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("EDGECV_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def encode() -> Encode:
    """Return a function that encodes a picture of one grey value, or an array."""

    def encode(
        value: Any, format: str = "PNG", side: int = 8, mode: str = "RGB", **options: Any
    ) -> bytes:
        if isinstance(value, np.ndarray):
            image = Image.fromarray(value)
        else:
            image = Image.new(mode, (side, side), value)
        content = io.BytesIO()
        image.save(content, format, **options)
        return content.getvalue()

    return encode


@pytest.fixture
def tree_files(encode: Encode) -> Callable[..., dict[str, bytes]]:
    """Return a function that makes the files of an image tree: no two images are equal."""

    def make(
        classes: tuple[str, ...] = ("cat", "dog"), train: int = 8, test: int = 2, side: int = 8
    ) -> dict[str, bytes]:
        files = {}
        for label, name in enumerate(classes):
            for split, count in (("train", train), ("test", test)):
                for number in range(count):
                    colour = (number, 100 if split == "train" else 200, label)
                    files[f"{split}/{name}/{number}.png"] = encode(colour, side=side)
        return files

    return make


@pytest.fixture
def make_tree(tmp_path: Path) -> MakeTree:
    """Return a function that writes files to a folder, or to a .zip if the name says so."""

    def make(files: dict[str, bytes], name: str = "photos", **options: Any) -> Path:
        path = tmp_path / name
        if path.suffix == ".zip":
            with zipfile.ZipFile(path, "w", **options) as archive:
                for inside, content in files.items():
                    archive.writestr(inside, content)
            return path
        for inside, content in files.items():
            if inside.endswith("/"):
                (path / inside).mkdir(parents=True)
                continue
            (path / inside).parent.mkdir(parents=True, exist_ok=True)
            (path / inside).write_bytes(content)
        return path

    return make


@pytest.fixture
def arrays() -> dict[str, Any]:
    """Make the arrays of 30 training and 6 test images in three classes."""
    images = np.random.default_rng(0).integers(0, 256, (36, 8, 8, 3), dtype=np.uint8)
    labels = np.arange(36) % 3
    return {
        "x_train": images[:30],
        "y_train": labels[:30],
        "x_test": images[30:],
        "y_test": labels[30:],
    }
