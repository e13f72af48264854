"""A bundle's program reads an image file, and encodes it, exactly as edgecv does."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from deployed import deployed_file
from PIL import Image

from edgecv.core.artifact import TensorFacts
from edgecv.core.data import Outputs
from edgecv.core.preprocessing import NAMED, affine_of
from edgecv.core.registry import TASKS
from edgecv.datasets.image_tree.decoding import decode
from edgecv.formats.image_input import pixel_encoder
from edgecv.targets.bundle.program import predict
from edgecv.targets.bundle.program.predict import Model, open_image
from edgecv.targets.bundle.target import write_golden

pytestmark = pytest.mark.quick
RANDOM = np.random.default_rng(0)
ORIENTATION = 274


def saved(kind: str, path: Path) -> Path:
    pixels = RANDOM.integers(0, 256, (70, 110, 4), np.uint8)
    if kind == "jpeg turned":
        exif = Image.Exif()
        exif[ORIENTATION] = 6
        Image.fromarray(pixels[..., :3]).save(path := path / "a.jpg", exif=exif)
    elif kind == "large jpeg":
        smooth = np.add.outer(np.arange(900), np.arange(1200)) % 256
        Image.fromarray(smooth.astype(np.uint8)).convert("RGB").save(path := path / "a.jpg")
    elif kind == "16 bits":
        Image.fromarray(pixels[..., 0].astype(np.uint16) * 257).save(path := path / "a.png")
    elif kind == "palette":
        Image.fromarray(pixels[..., :3]).quantize(16).save(path := path / "a.png")
    else:
        Image.fromarray(pixels if kind == "alpha" else pixels[..., 0]).save(path := path / "a.png")
    return path


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize(
    "kind", ["jpeg turned", "large jpeg", "16 bits", "palette", "alpha", "grey"]
)
def test_an_image_file_becomes_the_same_pixels(
    tmp_path: Path, kind: str, resize: Any, channels: int
) -> None:
    path = saved(kind, tmp_path)
    wanted, _ = decode(path.read_bytes(), (24, 32, channels), resize)
    np.testing.assert_array_equal(open_image(path, (32, 24), channels, resize), wanted)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_a_golden_image_of_any_channels_is_read_as_it_was_written(
    tmp_path: Path, channels: int
) -> None:
    golden = RANDOM.integers(0, 256, (2, 8, 8, channels), np.uint8)
    file = deployed_file("tflite", golden=golden)
    write_golden(replace(file, facts=replace(file.facts, image=(8, 8, channels))), tmp_path / "g")
    found = open_image(tmp_path / "g" / "01.png", (8, 8), channels, "stretch")
    np.testing.assert_array_equal(found, golden[1])


@pytest.mark.parametrize("axes", ["NHWC", "NCHW", "HWC", "CHW", "NHW", "HWCN", "CHWN"])
@pytest.mark.parametrize("name", ["0..255", "-1..1", "imagenet", "caffe"])
@pytest.mark.parametrize("kind", ["float32", "float16", "uint8", "int8", "int16"])
def test_pixels_become_the_same_values(axes: str, name: str, kind: str) -> None:
    channels = 3 if "C" in axes else 1
    choice = NAMED[name if channels == 3 else "-1..1"]
    scale = None if kind.startswith("float") else 0.02
    tensor = TensorFacts("image", (), kind, scale, None if scale is None else 3)
    images = RANDOM.integers(0, 256, (1, 5, 4, channels), np.uint8)
    scales, offsets, order = affine_of(choice, channels, "test")
    model = Model.__new__(Model)
    model.takes = {
        "type": kind, "scale": scale, "zero_point": 3, "axes": axes, "channel_order": order,
        "pixel_scale": scales.tolist(), "pixel_offset": offsets.tolist(),
    }  # fmt: skip
    wanted = pixel_encoder(tensor, axes, choice, channels)(images)
    found = model.encode(images)
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(("seconds", "runs"), [(0.0, 10), (0.1, 1)])
def test_a_slow_model_is_timed_with_fewer_runs(
    seconds: float, runs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each had 110 runs in one call, which ended a bundle of more than a second an image."""
    monkeypatch.setattr(predict, "BUDGET_S", 0.5)
    model, done = Model.__new__(Model), []
    model.takes = {"batch": 1}
    monkeypatch.setattr(model, "encode", lambda images: images)
    model._feed, model._invoke = (lambda values: None), lambda: done.append(time.sleep(seconds))
    assert model.time(np.zeros((1, 8, 8, 1), np.uint8)).shape == (10, runs)
    assert len(done) == 1 + 10 * runs + (10 if runs > 1 else 0)


FORMS = {
    "scores last": np.eye(3, dtype=np.float32)[[[2, 2], [2, 0]]],
    "scores first": np.moveaxis(np.eye(3, dtype=np.float32)[[[2, 2], [2, 0]]], -1, 0),
    "numbers": np.array([[2, 2], [2, 0]], np.float32),
    "logit": np.array([[[0.2], [0.3]], [[4.0], [-1.0]]], np.float32),
    "probability": np.array([[[0.6], [0.7]], [[0.9], [0.2]]], np.float32),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_map_of_every_form_says_what_the_pixels_are(form: str) -> None:
    """Maps with the classes in front, and maps of numbers, named classes that no pixel had."""
    maps = FORMS[form]
    task = TASKS.parse({"task": "segmentation"}, "test")
    assert task.pixel_classes(Outputs.one(maps[np.newaxis])) == form
    model = object.__new__(Model)
    model.card, model.labels = {"task": {"task": "segmentation"}}, ["sky", "road", "car"]
    model.gives = [{"answer": list(maps.shape), "activation": None, "pixel_classes": form}]
    most = "road" if form in ("logit", "probability") else "car"
    assert model.describe([maps]) == f"sky 25.0% of the pixels, {most} 75.0% of the pixels"
