"""Images with a drawn shape, as files, and the places where it lies."""

import io
import shutil
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from edgecv.core.data import SPLITS, Dataset
from edgecv.datasets.resolve import resolve

NOTHING = lambda done, total: None  # noqa: E731


def encoded(pixels: Any, format: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(content, format, **options)
    return content.getvalue()


def shape_image(number: int, size: tuple[int, int] = (40, 30)) -> tuple[Any, tuple[int, ...]]:
    """Draw a bright rectangle on a dark image of a width and height: pixels, and its edges."""
    random = np.random.default_rng(number)
    width, height = size
    left, top = int(random.integers(0, width // 2)), int(random.integers(0, height // 2))
    right, bottom = left + width // 3, top + height // 3
    pixels = random.integers(0, 40, (height, width, 3)).astype(np.uint8)
    pixels[top:bottom, left:right] = 180 + 60 * (number % 2)
    return pixels, (left, top, right, bottom)


def load_annotated(path: Path, kind: str, shape: Any = (30, 40, 3), **options: Any) -> Dataset:
    """Load annotated images of a kind, and check that a .zip of their folder holds the same."""
    source = resolve(str(path), **options)
    assert source.name == kind
    data = source.load(shape, 0, NOTHING)
    if path.is_dir():
        archive = shutil.make_archive(str(path), "zip", path.parent, path.name)
        packed = resolve(archive, **options)
        assert packed.name == kind
        same = packed.load(shape, 0, NOTHING)
        assert same.class_names == data.class_names
        assert same.notes == data.notes
        for name in SPLITS:
            assert same.split(name).sha256 == data.split(name).sha256
            assert (same.split(name).labels == data.split(name).labels).all()
    return data
