"""Ranges that TFLite fixes: no calibration sets them, and another scale is a fault."""

import numpy as np
import pytest

from edgecv.analysis.reference_check.layer_structure import PairedPoint
from edgecv.analysis.reference_check.quantization_rules import broken_rules
from edgecv.analysis.reference_check.range_gates import bounds_of, judge_ranges
from edgecv.analysis.reference_check.twin_ranges import ReferenceRanges
from edgecv.core.data import Dataset, Split, Targets
from edgecv.core.quantization import Extremes, Point, Steps, Stored
from edgecv.core.targets import together

pytestmark = pytest.mark.quick


def point(kind: str, scale: float, zero_point: int) -> Point:
    return Point("inner", kind, False, Steps(scale, zero_point, -128, 127))


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point"),
    [("TANH", 1 / 128, 0), ("LOGISTIC", 1 / 256, -128), ("LOG_SOFTMAX", 1 / 16, 127)],
)
def test_a_fixed_range_is_not_judged_by_images(kind: str, scale: float, zero_point: int) -> None:
    honest, plain = point(kind, scale, zero_point), point("CONV_2D", scale, zero_point)
    twin = Point("inner", kind, False)
    pairs = [PairedPoint("inner", 0, each, twin) for each in (honest, plain)]
    assert [each.own for each in bounds_of(pairs)] == [plain]
    other = point(kind, scale * 2, zero_point)
    for each, faults in ((honest, 0), (other, 1)):
        assert len(broken_rules(Stored((), (each,), (), None), "tflite", [])) == faults


OTHER_TARGETS: dict[str, Targets] = {
    "numbers": np.zeros((50, 2), np.float32),
    "masks": np.zeros((50, 4, 4), np.uint8),
    "boxes": np.zeros((50, 3, 5), np.float32),
    "two heads": together({"a": np.zeros(50, np.int64), "b": np.zeros((50, 2), np.float32)}),
    "classes": np.arange(50) % 2,
}


@pytest.mark.parametrize("kind", OTHER_TARGETS)
def test_targets_that_are_no_classes_are_not_asked_for_theirs(kind: str) -> None:
    """Ranges that two images have set were an internal error, unless images had one class each."""
    labels, high = OTHER_TARGETS[kind], np.random.default_rng(0).random((50, 3), np.float32)
    steps = [Steps(float(most) / 255, -128, -128, 127) for most in high.max(axis=0)]
    points = [Point(f"p{number}", "CONV_2D", True, each) for number, each in enumerate(steps)]
    bounds = [PairedPoint(each.name, at, each, each) for at, each in enumerate(points)]
    ranges = Extremes(high * 0, high)
    part = Split(np.zeros((50, 8, 8, 1), np.uint8), labels, "0" * 64)
    data = Dataset("d", ("a", "b"), part, part, part, part)
    found, _ = judge_ranges("f", data, bounds, ReferenceRanges(ranges, labels, 50, ranges))
    assert [each.outcome for each in found] == ["passed"]
    assert "3 of its ranges were traced" in found[0].reason
