"""A target of channel pruning is held on one file: which, and what the others have."""

from dataclasses import replace

import pytest
from small_report import ARTIFACT, COMPARISON, REPORT, TWIN

from edgecv.core.comparison import Comparison, Latency
from edgecv.core.report import Gate, Report
from edgecv.reports.page.build import to_page
from edgecv.reports.target_files import target_notes
from edgecv.reports.verdict import verdict_line

pytestmark = pytest.mark.quick


def onnx(size: int, us: float = 45.6, speedup: float = 2.5) -> Comparison:
    artifact = replace(ARTIFACT, path="int8.onnx", format="onnx", bytes=size)
    latency = Latency(us, us, 1, 100)
    return replace(COMPARISON, artifact=artifact, latency=latency, speedup=speedup)


def shrunk(other: Comparison, outcome: str = "passed") -> Report:
    gates = (
        Gate("int8_bytes", "int8.tflite", 15_000, 13_296, "passed"),
        Gate("latency_us", "int8.tflite", 50, 45.6, "passed"),
        Gate("speedup", "int8.tflite", 2, 2.5, "passed"),
        *([Gate("max_drop_points", "int8.tflite", 1, 2.6, "failed")] * (outcome == "failed")),
    )
    comparisons = (TWIN, COMPARISON, other)
    return replace(REPORT, outcome=outcome, comparisons=comparisons, gates=gates)


@pytest.mark.parametrize("outcome", ["passed", "failed"])
def test_a_file_that_misses_a_target_held_on_another_is_named(outcome: str) -> None:
    """--shrink 15KB had one gate, of 13,296 bytes, beside a file of 15,577, without a word."""
    report = shrunk(onnx(15_577), outcome)
    sentence = "The target of 15,000 bytes is held on int8.tflite alone: int8.onnx has 15,577 bytes"
    assert sentence in verdict_line(report)
    assert sentence in to_page(report)
    assert report.outcome == outcome


def test_a_slower_file_beside_a_target_of_time_is_named() -> None:
    found = verdict_line(shrunk(onnx(15_000, us=60.0, speedup=1.5)))
    assert "50 us an image is held on int8.tflite alone: int8.onnx has 60 us an image" in found
    assert "int8.onnx has 1.5 times the speed of its float32 file" in found


def test_files_that_hold_a_target_need_no_word() -> None:
    assert "is held on" not in verdict_line(shrunk(onnx(15_000)))
    floats = onnx(90_000)
    floats = replace(floats, artifact=replace(floats.artifact, precision="float16"))
    assert "is held on" not in verdict_line(shrunk(floats))


def test_the_notes_of_a_run_name_the_file_of_each_target() -> None:
    report = shrunk(onnx(15_000))
    assert target_notes(report.gates, report.files) == (
        "the target of 15,000 bytes is held on int8.tflite, not on int8.onnx",
        "the target of 50 us an image is held on int8.tflite, not on int8.onnx",
        "the target of 2 times the speed of its float32 file is held on int8.tflite, not on"
        " int8.onnx",
    )
    assert target_notes(report.gates, (TWIN, COMPARISON)) == ()
