"""A file of a run that was changed, and the run sealed anew, fails against the accepted one.

Ratios within one run, with the twin beside it: how fast the machine is does not matter.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from planting import MODULES

import edgecv
from edgecv.acceptance.records import Judgement
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.system.storage import Store, seal

# Forked children lie alike in memory: over them a speed varies less than over started ones.
pytestmark = pytest.mark.usefixtures("fresh_children")


MUCH = 200
"""Idle poolings: with so many a .tflite file takes about three times as long."""
A_THIRD = {"tflite": 35, "onnx": 3}
Change = Callable[[bytes], bytes]


@pytest.fixture
def gated(output: Path, tmp_path: Path) -> Callable[[str, Change], Judgement]:
    """Return what accepts a run on digits, changes a file of it, and judges it sealed anew."""

    def judge(file_format: str, change: Change) -> Judgement:
        name = f"to-change-{file_format}"
        recipe = CompressOptions(
            data="digits", epochs=3, formats=(file_format,), name=name
        ).to_recipe()
        run(recipe, Store(output))
        lock = tmp_path / "edgecv.lock"
        assert edgecv.gate(output / name, against=lock, update=True).update == "written"
        changed = tmp_path / name
        shutil.copytree(output / name, changed)
        path = changed / f"int8.{file_format}"
        path.write_bytes(change(path.read_bytes()))
        seal(changed)
        return edgecv.gate(changed, against=lock)

    return judge


@pytest.mark.slow
def test_a_file_that_was_slowed_and_its_outputs_swapped_is_said_to_be_both(
    gated: Callable[[str, Change], Judgement],
) -> None:
    faults = MODULES["tflite"]
    found = gated(
        "tflite", lambda content: faults.slowed(faults.swapped_outputs(content, 2, 6), MUCH)
    )
    assert found.exit_code == 1
    failed = {gate.name: gate for gate in found.gates if gate.outcome == "failed"}
    assert {"accepted_speedup", "accepted_drop_points_bound", "weights"} <= set(failed)
    assert not {"quantization", "ranges"} & set(failed)
    assert failed["weights"].artifact == "int8.tflite"
    assert "classes 2 and 6 are swapped" in failed["weights"].reason
    said = f"int8.tflite runs {MUCH} operators that its float32 twin does not: {MUCH} MAX_POOL_2D"
    assert said in " ".join(found.report.notes)


@pytest.mark.benchmark
@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
def test_a_file_that_is_a_third_slower_fails(
    gated: Callable[[str, Change], Judgement], file_format: str
) -> None:
    times = A_THIRD[file_format]
    found = gated(file_format, lambda content: MODULES[file_format].slowed(content, times))
    (gate,) = [
        each
        for each in found.gates
        if each.name == "accepted_speedup" and each.artifact == f"int8.{file_format}"
    ]
    print(f"\n{file_format} with {times} idle poolings: {gate.observed:.2f}, {gate.reason}")
    assert gate.outcome == "failed"
