"""Maps with a fault are caught by the limits that hold where none is given; rounding is not."""

from collections.abc import Callable

import numpy as np
import pytest

from edgecv.core.artifact import Artifact, SessionFacts, TensorFacts
from edgecv.core.comparison import Measurement
from edgecv.core.data import Outputs, Predictions
from edgecv.core.report import Gate
from edgecv.evaluation.comparison import compare
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.tasks.segmentation import Segmentation
from edgecv.evaluation.tasks.segmentation.maps import resized

pytestmark = pytest.mark.quick
IMAGES, SIDE, CLASSES = 120, 32, ("background", "cat", "dog", "bird")
TENSOR = TensorFacts("image", (1, SIDE, SIDE, 3), "uint8")
FACTS = SessionFacts(TENSOR, (TENSOR,), ((SIDE, SIDE, 4),), (SIDE, SIDE, 3))
FILE = Artifact("int8.tflite", "tflite", "int8", 35_000, 30_000, "0" * 64)


def drawn() -> tuple[np.ndarray, Predictions]:
    """Return masks of two ellipses an image, and maps of half their size that nearly give them."""
    random = np.random.default_rng(0)
    rows, columns = np.mgrid[:SIDE, :SIDE] + 0.5
    masks = np.zeros((IMAGES, SIDE, SIDE), np.uint8)
    for mask in masks:
        for left, top in ((0, 0), (16, 12)):
            x, y = left + random.uniform(6, 9), top + random.uniform(6, 9)
            radii = random.uniform(4, 7, 2)
            inside = ((columns - x) / radii[0]) ** 2 + ((rows - y) / radii[1]) ** 2 < 1
            mask[inside] = random.integers(1, 4)
    exact = np.eye(4, dtype=np.float32)[masks]
    small = exact.reshape(IMAGES, SIDE // 2, 2, SIDE // 2, 2, 4).mean((2, 4))
    small = 0.85 * small + 0.15 * random.dirichlet(np.ones(4), small.shape[:3])
    return masks, small.astype(np.float32)


MASKS, SMALL = drawn()
BASELINE = resized(SMALL, (SIDE, SIDE))


def gates(maps: Predictions, *, labelled: bool) -> dict[str, Gate]:
    measured = Measurement(FILE, "litert", Outputs.one(maps), FACTS)
    targets = MASKS if labelled else None
    found = compare(measured, None, Outputs.one(BASELINE), targets, Segmentation(), 1)
    judged = judge_limits(found, Limits().with_defaults(), classes=CLASSES, machine="here")
    return {gate.name: gate for gate in judged}


def shifted_by_half_a_pixel() -> Predictions:
    """Resize as a kernel does that takes the corners of pixels for their centres."""
    places = np.arange(SIDE) / 2
    below, above = np.floor(places).astype(int), np.minimum(np.floor(places) + 1, SIDE // 2 - 1)
    part = (places - below).astype(np.float32)
    found = SMALL
    for axis in (1, 2):
        shape = [1, 1, 1, 1]
        shape[axis] = SIDE
        low, high = found.take(below, axis), found.take(above.astype(int), axis)
        found = low + (high - low) * part.reshape(shape)
    return found


SHIFTED = "a resize shifted by half a pixel"
FAULTS: dict[str, Callable[[], Predictions]] = {
    "upside down": lambda: BASELINE[:, ::-1],
    "two classes swapped": lambda: BASELINE[..., [0, 2, 1, 3]],
    SHIFTED: shifted_by_half_a_pixel,
    "a resize without interpolation": lambda: SMALL.repeat(2, axis=1).repeat(2, axis=2)[
        :, np.r_[1:SIDE, SIDE - 1]
    ],
    "a class that is lost": lambda: BASELINE * np.float32([1, 1, 0.1, 1]),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_caught(name: str) -> None:
    maps = FAULTS[name]()
    failed = {each.name for each in gates(maps, labelled=True).values() if each.outcome == "failed"}
    assert "max_drop_points" in failed
    if name != SHIFTED:  # Without masks: of objects as large as these it moves too little.
        assert gates(maps, labelled=False)["min_agreement"].outcome == "failed"


def test_rounding_is_no_fault() -> None:
    rounded = np.rint(BASELINE * 255) / 255
    noisy = rounded + np.random.default_rng(1).normal(0, 0.01, rounded.shape)
    for maps in (rounded, noisy):
        for labelled in (True, False):
            found = gates(maps.astype(np.float32), labelled=labelled)
            assert {each.outcome for each in found.values()} == {"passed"}
            assert found
