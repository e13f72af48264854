"""Ranges that TFLite fixes: no calibration sets them, and another scale is a fault."""

import pytest

from edgecv.analysis.reference_check.layer_structure import PairedPoint
from edgecv.analysis.reference_check.quantization_rules import broken_rules
from edgecv.analysis.reference_check.range_gates import bounds_of
from edgecv.core.quantization import Point, Steps, Stored

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
