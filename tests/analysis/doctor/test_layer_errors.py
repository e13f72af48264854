"""Errors of layers by their values: what overflows, what is infinite in both files."""

import numpy as np
import pytest

from edgecv.analysis.doctor.layer_errors import layer_errors, layer_findings
from edgecv.analysis.doctor.records import Diagnosis, LayerError
from edgecv.analysis.doctor.text import to_json, to_text
from edgecv.core.artifact import Activation

pytestmark = pytest.mark.quick
LAYERS = [("first", "first", "one"), ("second", "second", "two")]
GOOD = [1.0, 2.0, 4.0]


def errors(own: list[list[float]], true: list[list[float]] | None = None) -> tuple[LayerError, ...]:
    """Compare two layers in a row with the baseline's."""
    return layer_errors(*map(activations, (own, true or [GOOD, GOOD])), LAYERS)


def activations(values: list[list[float]]) -> list[Activation]:
    return [
        Activation(name, "Conv", ("first",) * number, np.array([each], np.float32))
        for number, (name, each) in enumerate(zip(("first", "second"), values, strict=True))
    ]


@pytest.mark.parametrize("infinite", [np.inf, -np.inf, np.nan])
def test_numbers_that_overflow_are_a_finding_and_json(infinite: float) -> None:
    """They were infinite decibels, which JSON does not have."""
    found = errors([[1.0, infinite, infinite], GOOD])
    (finding,) = layer_findings(found, "keep more bits")
    assert (finding.name, finding.severity, finding.where) == ("overflow", "error", "one")
    assert "2 of its 3 numbers are infinite or none" in finding.observed
    assert "float32" in finding.remedy
    text = to_text(Diagnosis("a.onnx", (finding,), found))
    assert "inf" not in text.replace("infinite", "")
    assert "overflow" in to_json(Diagnosis("a.onnx", (finding,), found))


def test_the_layer_that_overflows_first_is_the_culprit() -> None:
    found = errors([[1.0, np.inf, 1.0], [np.nan, np.nan, 1.0]])
    assert [each.where for each in layer_findings(found, "")] == ["one"]


def test_what_is_infinite_in_the_baseline_too_is_no_error() -> None:
    """A mask of attention is minus infinity on purpose."""
    masked = [1.0, -np.inf, 4.0]
    for own in (masked, [1.0, -3e38, 4.0]):
        found = errors([own, GOOD], [masked, GOOD])
        assert [each.sqnr_db for each in found] == [40.0, 40.0]
        assert not list(layer_findings(found, ""))


@pytest.mark.parametrize("value", [0.0, -np.inf])
def test_a_layer_of_nothing_else_is_no_error(value: float) -> None:
    same = [[value] * 3, GOOD]
    assert not list(layer_findings(errors(same, same), ""))


def test_a_bad_scale_asks_for_more_images_than_are_usual() -> None:
    """It asked for 200, which an export takes by itself."""
    (finding,) = layer_findings(errors([[3.0, 6.0, 12.0], [3.0, 6.0, 12.0]]), "")
    assert finding.name == "bad-scale"
    assert "more calibration images than before" in finding.remedy
    assert "calibration_images = 200" not in finding.remedy
