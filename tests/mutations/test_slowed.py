"""A file of a run that was changed, and the run sealed anew, fails against the accepted one.

Ratios within one run, with the twin beside it: how fast the machine is does not matter.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from planting import MODULES

import edgecv
from edgecv.flags import Flags
from edgecv.gating.records import Judgement
from edgecv.pipeline import run
from edgecv.store import Store, seal

MUCH = {"tflite": 200, "onnx": 30}
"""Idle poolings: with so many a file takes about three times as long."""
A_THIRD = {"tflite": 35, "onnx": 3}


@pytest.fixture(scope="session")
def accepted(output: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return a run on digits and the lock that accepts it."""
    run(Flags(data="digits", epochs=3, name="to-slow").to_recipe(), Store(output))
    lock = tmp_path_factory.mktemp("lock") / "edgecv.lock"
    assert edgecv.gate(output / "to-slow", against=lock, update=True).update == "written"
    return output / "to-slow", lock


@pytest.fixture
def gated(accepted: tuple[Path, Path], tmp_path: Path) -> Callable[[str, int], Judgement]:
    """Return what slows a file of the run, seals the run anew and judges it."""
    folder, lock = accepted

    def judge(file_format: str, times: int) -> Judgement:
        changed = tmp_path / "to-slow"
        shutil.copytree(folder, changed)
        path = changed / f"int8.{file_format}"
        path.write_bytes(MODULES[file_format].slowed(path.read_bytes(), times))
        seal(changed)
        return edgecv.gate(changed, against=lock)

    return judge


@pytest.mark.parametrize("file_format", ["tflite"])
def test_a_slowed_file_fails_and_its_operators_are_counted(
    gated: Callable[[str, int], Judgement], file_format: str
) -> None:
    found = gated(file_format, MUCH[file_format])
    path = f"int8.{file_format}"
    failed = {gate.name for gate in found.gates if gate.outcome == "failed"}
    assert "accepted_speedup" in failed
    assert not failed & {"weights", "quantization", "ranges"}
    notes = " ".join(found.report.notes)
    assert f"{path} runs {MUCH[file_format]} operators that its float32 twin does not" in notes


def test_swapped_outputs_in_a_run_that_was_sealed_anew_are_named_by_a_twin_of_its_baseline(
    accepted: tuple[Path, Path], tmp_path: Path
) -> None:
    folder, lock = accepted
    changed = tmp_path / "to-slow"
    shutil.copytree(folder, changed)
    path = changed / "int8.onnx"
    path.write_bytes(MODULES["onnx"].swapped_outputs(path.read_bytes(), 2, 6))
    seal(changed)
    found = edgecv.gate(changed, against=lock)
    assert found.exit_code == 1
    failed = {gate.name: gate for gate in found.gates if gate.outcome == "failed"}
    assert failed["weights"].artifact == "int8.onnx"
    assert "classes 2 and 6 are swapped" in failed["weights"].reason
    assert "accepted_drop_points_bound" in failed


@pytest.mark.benchmark
@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_a_file_that_is_a_third_slower_fails(
    gated: Callable[[str, int], Judgement], file_format: str
) -> None:
    times = A_THIRD[file_format]
    found = gated(file_format, times)
    (gate,) = [
        each
        for each in found.gates
        if each.name == "accepted_speedup" and each.artifact == f"int8.{file_format}"
    ]
    print(f"\n{file_format} with {times} idle poolings: {gate.observed:.2f}, {gate.reason}")
    assert gate.outcome == "failed"
