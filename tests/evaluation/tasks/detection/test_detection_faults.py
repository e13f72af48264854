"""Boxes with a fault are caught by the limits that hold where none is given; rounding is not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.comparison import Measurement
from edgecv.core.data import Outputs
from edgecv.core.report import Gate
from edgecv.evaluation.comparison import compare
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.statistics import real_scores
from edgecv.evaluation.tasks.detection import Detection

pytestmark = pytest.mark.quick
RESAMPLES = 200
IMAGES, SIDE, CELLS, CLASSES = 120, 64, 8, ("cat", "dog", "bird", "fish")
TENSOR = TensorFacts("image", (1, SIDE, SIDE, 3), "uint8")
FACTS = SessionFacts(TENSOR, (TENSOR,), ((8, 8, 4),), (SIDE, SIDE, 3))
FILE = Artifact("int8.tflite", "tflite", "int8", 35_000, 30_000, "0" * 64)


def drawn() -> tuple[np.ndarray, Outputs]:
    """Return true boxes of 10 to 26 pixels, and maps that give most of them nearly."""
    random = np.random.default_rng(0)
    truth = np.full((IMAGES, 3, 5), -1, np.float32)
    distances = random.uniform(0.5, 2, (IMAGES, CELLS, CELLS, 4))
    chances = random.beta(1, 30, (IMAGES, CELLS, CELLS, len(CLASSES)))
    for image in range(IMAGES):
        for place, (left, top) in enumerate(((2, 2), (34, 4), (6, 36))[: random.integers(1, 4)]):
            low = np.array([left, top]) + random.uniform(0, 2, 2)
            box = np.concatenate([low, low + random.uniform(10, 24, 2)])
            kind = random.integers(0, len(CLASSES))
            truth[image, place] = (kind, *box)
            column, row = ((box[:2] + box[2:]) / 2 // CELLS).astype(int)
            near = (box + random.normal(0, 0.4, 4)) / CELLS
            middle = np.array([column, row]) + 0.5
            distances[image, row, column] = (*(middle - near[:2]), *(near[2:] - middle))
            chances[image, row, column, kind] = random.beta(8, 2)
    found = {"boxes": distances.astype(np.float32), "classes": chances.astype(np.float32)}
    return truth / np.float32([1, SIDE, SIDE, SIDE, SIDE]), Outputs(found)


TRUTH, BASELINE = drawn()
BOXES, CHANCES = BASELINE.arrays["boxes"], BASELINE.arrays["classes"]


def with_maps(boxes: Any = BOXES, classes: Any = CHANCES) -> Outputs:
    return Outputs({"boxes": boxes.astype(np.float32), "classes": classes.astype(np.float32)})


def gates(outputs: Outputs, *, labelled: bool) -> dict[str, Gate]:
    measured = Measurement(FILE, "litert", outputs, FACTS)
    targets = TRUTH if labelled else None
    found = compare(measured, None, BASELINE, targets, Detection(), 1)
    judged = judge_limits(found, Limits().with_defaults(), classes=CLASSES, machine="here")
    return {gate.name: gate for gate in judged}


def shifted(pixels: float) -> Outputs:
    return with_maps(BOXES + np.array([-1, -1, 1, 1]) * pixels / CELLS)


HALF = "boxes shifted by half a pixel"
FAULTS: dict[str, Callable[[], Outputs]] = {
    "strides scaled": lambda: with_maps(BOXES * 1.25),
    "anchors scaled a little": lambda: with_maps(BOXES * 1.1),
    "two classes swapped": lambda: with_maps(classes=CHANCES[..., [0, 2, 1, 3]]),
    "a class that is lost": lambda: with_maps(classes=CHANCES * np.float32([1, 1, 0.1, 1])),
    HALF: lambda: shifted(0.5),
    "boxes shifted by a stride": lambda: shifted(CELLS),
    "x and y swapped": lambda: with_maps(BOXES[..., [1, 0, 3, 2]]),
    "maps with x and y swapped": lambda: with_maps(BOXES.swapaxes(1, 2), CHANCES.swapaxes(1, 2)),
    "mirrored": lambda: with_maps(BOXES[:, :, ::-1], CHANCES[:, :, ::-1]),
}


@pytest.fixture(autouse=True)
def _few_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(real_scores, "RESAMPLES", RESAMPLES)


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught(name: str) -> None:
    outputs = FAULTS[name]()
    judged = gates(outputs, labelled=True).values()
    assert "failed" in {each.outcome for each in judged}
    if name not in (HALF, "anchors scaled a little"):  # Without true boxes they move too little.
        assert gates(outputs, labelled=False)["min_agreement"].outcome == "failed"


def test_rounding_is_no_fault() -> None:
    codes = (
        np.rint(BOXES * 255 / np.ptp(BOXES)) * np.ptp(BOXES) / 255,
        np.rint(CHANCES * 255) / 255,
    )
    random = np.random.default_rng(1)
    noise = [each + random.normal(0, 0.01, each.shape) for each in codes]
    for maps in (codes, noise):
        for labelled in (True, False):
            found = gates(with_maps(*maps), labelled=labelled)
            assert {each.outcome for each in found.values()} == {"passed"}
            assert found
