"""What a report says of candidate and baseline image by image, and the picture of the flips."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.registry import TASKS
from edgecv.evaluation.comparison import compare_all
from edgecv.reports.changed_images import write_flips
from edgecv.reports.contact_sheet import COLUMNS, SIDE, Tile, write_contact_sheet
from edgecv.reports.paired_comparison import pair_line

pytestmark = pytest.mark.quick

TASK = TASKS.parse({"task": "classification"}, "task")
CLASSES = ("cat", "dog", "a_class_with_a_very_long_name_that_does_not_fit")
IMAGES = 400
RANDOM = np.random.default_rng(0)
LABELS = RANDOM.integers(0, 3, IMAGES)


def outputs_of(answers: np.ndarray) -> Outputs:
    confidence = np.random.default_rng(1).uniform(0.5, 1, len(answers)).astype(np.float32)
    predictions = np.repeat((1 - confidence)[:, None] / 2, 3, axis=1)
    predictions[np.arange(len(answers)), answers] = confidence
    return Outputs.one(predictions)


BASELINE = outputs_of(np.where(np.arange(IMAGES) % 10 < 8, LABELS, (LABELS + 1) % 3))
CANDIDATE = outputs_of(
    np.where(np.arange(IMAGES) % 20 == 0, (LABELS + 2) % 3, BASELINE.only.argmax(axis=1))
)


def measured(path: str, outputs: Outputs) -> Measurement:
    tensor = TensorFacts("image", (1, 20, 16, 1), "uint8")
    return Measurement(
        Artifact(path, "tflite", path.split(".")[0], 1000, 900, "0" * 64), "litert",
        outputs, SessionFacts(tensor, (tensor,), ((3,),), (8, 8, 3)),
        (np.full((4, 5), 1000, np.int64),),
    )  # fmt: skip


def data(*, has_labels: bool = True) -> Dataset:
    images = np.random.default_rng(2).integers(0, 256, (IMAGES, 20, 16, 1), dtype=np.uint8)
    split = Split(images, LABELS, "0" * 64)
    return Dataset("noise", CLASSES, split, split, split, split, has_labels=has_labels)


MEASUREMENTS = [measured("float32.tflite", BASELINE), measured("int8.tflite", CANDIDATE)]


def compared(*, has_labels: bool = True) -> list[Comparison]:
    labels = data(has_labels=has_labels).test_labels
    return compare_all(MEASUREMENTS, BASELINE, labels, TASK, threads=1)


def test_one_line_says_what_the_average_does_not() -> None:
    line = pair_line(compared()[1], TASK, CLASSES)
    for words in (
        "int8.tflite: 0 wins and 20 losses of 400 (p = 1.9e-06), -5.00 points (",
        "no worse than 1 point (95%): no",
        "worst class",
        "calibration error",
        "20 images with another answer (5.00%)",
    ):
        assert words in line


def test_without_labels_only_the_flips_are_told() -> None:
    line = pair_line(compared(has_labels=False)[1], TASK, CLASSES)
    assert line == "int8.tflite: 20 images with another answer (5.00%)"


@pytest.mark.parametrize("has_labels", [True, False])
def test_the_picture_is_named_and_the_same_twice(tmp_path: Path, *, has_labels: bool) -> None:
    contents = []
    for run in ("one", "two"):
        folder = tmp_path / run
        folder.mkdir()
        comparisons = compared(has_labels=has_labels)
        twin, candidate = write_flips(
            comparisons, MEASUREMENTS, BASELINE, data(has_labels=has_labels), TASK, folder
        )
        assert (twin.flips_picture, candidate.flips_picture) == (None, "flips-int8.tflite.png")
        files = {path.name for path in folder.iterdir()}
        assert files == {"flips-int8.tflite.png", "gallery.json"}
        contents.append((folder / "flips-int8.tflite.png").read_bytes())
    assert contents[0] == contents[1]
    assert len(contents[0]) < 500_000


def test_no_flips_no_picture(tmp_path: Path) -> None:
    same = [replace(MEASUREMENTS[1], outputs=BASELINE)]
    comparisons = compare_all(same, BASELINE, LABELS, TASK, threads=1)
    assert write_flips(comparisons, same, BASELINE, data(), TASK, tmp_path) == tuple(comparisons)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("shape", [(32, 32, 3), (20, 16, 1), (300, 500, 3), (1, 200, 3)])
def test_a_sheet_of_images_of_any_size(tmp_path: Path, shape: tuple[int, int, int]) -> None:
    lines = ("a", "b" * 99)
    tiles = [Tile(n, np.full(shape, 10 * n, np.uint8), lines, "", "") for n in range(10)]
    write_contact_sheet("ten images", tiles, tmp_path / "sheet.png")
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > COLUMNS * SIDE
        assert 2 * SIDE < sheet.height < 3 * SIDE
