"""Images with bright marks, and everything that is known of them: targets of every kind."""

from typing import Any, ClassVar

import numpy as np

from edgecv.core.data import Dataset, Shape, Split
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.registry import ARCHITECTURES, EXPORTERS, TECHNIQUES
from edgecv.core.targets import together
from edgecv.evaluation.limits import Limits
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.run_settings import RunSettings

SIDE = 16
SIZES = {"train": 400, "calibration": 40, "validation": 60, "test": 120}
SCHEDULE = {"epochs": 8, "minimum_steps": 300, "batch": 32, "learning_rate": 0.01, "shift": 1}


class Marks(DatasetSource):
    """A bright box on noise, its inner part brighter at the left: corners, size, what it has."""

    name: ClassVar[str] = "marks"

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        splits = {
            name: marks(count, shape, seed + place)
            for place, (name, count) in enumerate(SIZES.items())
        }
        return Dataset("marks", ("wide", "high", "dark"), **splits)


def marks(count: int, shape: Shape, seed: int) -> Split:
    random = np.random.default_rng(seed)
    pixels = random.integers(0, 60, (count, *shape)).astype(np.uint8)
    left, top = random.integers(1, 6, (2, count))
    width, height = random.integers(4, 10, (2, count))
    is_dark = random.random(count) < 0.5
    for each, image in enumerate(pixels):
        x, y, w, h = left[each], top[each], width[each], height[each]
        image[y : y + h, x : x + w] = 120 if is_dark[each] else 230
        image[y : y + h, x : x + 2] //= 2
    classes = np.stack([width > 6, height > 6, is_dark], axis=1).astype(np.uint8)
    right, bottom = left + width, top + height
    corners = [(left, top), (right, top), (left, bottom)]
    points = np.stack([np.stack([x, y, np.ones(count)], axis=1) for x, y in corners], axis=1)
    points[::7, 2, 2] = 0
    boxes = np.stack([np.zeros(count), left, top, right, bottom], axis=1)[:, None]
    targets: dict[str, Any] = {
        "class": is_dark.astype(np.int64),
        "classes": classes,
        "numbers": np.stack([width * 100.0, height * 50.0], axis=1).astype(np.float32),
        "keypoints": points.astype(np.float32),
        "boxes": boxes.astype(np.float32),
    }
    return Split(pixels, together(targets), f"{seed:064d}")


def recipe(task: Any, *techniques: dict[str, Any], **limits: Any) -> Recipe:
    """Return the recipe of a small network on these images, and its int8 files."""
    return Recipe(
        settings=RunSettings(name="marks"),
        data=Marks(),
        task=task,
        baseline=BaselineOptions(input_shape=(SIDE, SIDE, 1)),
        architecture=ARCHITECTURES.parse(
            {"architecture": "regressor", "width": 8, "depth": 2}, "test"
        ),
        schedule=Schedule(**SCHEDULE),
        techniques=tuple(TECHNIQUES.parse(each, "test") for each in techniques),
        exports=tuple(
            EXPORTERS.parse({"format": each, "precision": "int8"}, "test")
            for each in ("tflite", "onnx")
        ),
        gates=Limits(**limits),
    )
