"""Range of the weights of int8 ONNX files: 7 bits where sums of 8 bits saturate."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exact_products import exact_session

from edgecv.core.data import Outputs
from edgecv.core.errors import InputError, StepError
from edgecv.core.registry import EXPORTERS
from edgecv.formats.onnx import exporter, weight_range
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.onnx.kernel_scales import KernelScale, KernelScales
from edgecv.formats.onnx.weight_range import difference, in_range, may_saturate

NOTE = "weights of "


def exported(folder: Path, **options: Any) -> tuple[bytes, tuple[str, ...]]:
    """Return the file of a small network, and what its export says of its weights."""
    path = folder / "a.onnx"
    made = Onnx(precision="int8", **options).export(
        tiny_models.plain(), tiny_models.images(40), path
    )
    return path.read_bytes(), tuple(each for each in made.notes if each.startswith(NOTE))


def largest_code(content: bytes) -> int:
    """Return the largest size of a weight of a kernel."""
    import onnx
    from onnx import numpy_helper

    graph = onnx.load_from_string(content).graph
    arrays = map(numpy_helper.to_array, graph.initializer)
    return max(int(np.abs(each.astype(int)).max()) for each in arrays if each.dtype == np.int8)


def usual_session(content: bytes) -> Any:
    import onnxruntime

    return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


def answers(session: Any) -> np.ndarray:
    (entry,) = session.get_inputs()
    (found,) = session.run(None, {entry.name: tiny_models.images(60, seed=1)})
    return np.asarray(found)


def test_answers_of_reduced_weights_are_exact_on_every_processor(tmp_path: Path) -> None:
    content, notes = exported(tmp_path, weight_range="reduced")
    assert largest_code(content) == 64
    assert notes == ()
    assert np.array_equal(answers(usual_session(content)), answers(exact_session(content)))


@pytest.mark.parametrize("saturates", [True, False])
def test_the_range_is_measured_where_sums_may_saturate(
    saturates: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "may_saturate", lambda: saturates)
    content, notes = exported(tmp_path)
    assert len(notes) == saturates
    assert largest_code(content) == (64 if notes and "of 7 bits" in notes[0] else 127)
    if may_saturate() and saturates:  # Elsewhere 8 bits are nearer to float32.
        assert "weights of 7 bits, whose answers are the same on every processor" in notes[0]


def test_the_processor_decides_by_its_instructions(monkeypatch: pytest.MonkeyPatch) -> None:
    def has(machine: str, *flags: str) -> bool:
        monkeypatch.setattr("platform.machine", lambda: machine)
        monkeypatch.setattr(weight_range, "instructions", lambda: frozenset(flags))
        return may_saturate()

    assert has("x86_64", "avx2")
    assert has("AMD64")  # Windows names no flags.
    assert not has("x86_64", "avx2", "avx512_vnni")
    assert not has("x86_64", "avx_vnni")
    assert not has("aarch64", "asimddp")


def test_trained_scales_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel that was trained to codes of 8 bits is no longer what was trained with 7."""
    monkeypatch.setattr(exporter, "may_saturate", lambda: True)
    monkeypatch.setattr(KernelScales, "are_trained", True)
    content, notes = exported(tmp_path)
    assert largest_code(content) == 127
    assert [each.startswith("weights of 8 bits, as they were trained") for each in notes] == [True]
    with pytest.raises(StepError, match=r"7 bits were asked for.*leave out weight_range"):
        exported(tmp_path, weight_range="reduced")


def test_kernels_know_whether_they_are_trained() -> None:
    kernels = KernelScales()
    assert not kernels.are_trained
    weights = np.ones((2, 2))
    kernels._kernels.append(KernelScale("found", weights, None))
    assert not kernels.are_trained
    kernels._kernels.append(KernelScale("trained", weights, np.ones(2)))
    assert kernels.are_trained


def test_options_of_a_kernel_in_a_range() -> None:
    options = [{"quant_type": 1}, {"scale": np.float32(0.5)}]
    assert in_range(options, "full") == options
    assert in_range(options, "reduced") == [
        {"quant_type": 1, "reduce_range": True},
        {"scale": np.float32(1)},
    ]


def test_the_worst_output_counts() -> None:
    def outputs(**arrays: list[float]) -> Outputs:
        return Outputs({name: np.array([each], np.float32) for name, each in arrays.items()})

    true = outputs(near=[1, 1], far=[2, 2])
    assert difference(true, true) == 0
    assert difference(outputs(near=[1, 1.2], far=[2, 4]), true) == pytest.approx(0.5)
    assert difference(outputs(near=[1, 1]), outputs(near=[0, 0])) == 1


def test_only_int8_files_have_a_range() -> None:
    table = {"format": "onnx", "precision": "float32", "weight_range": "full"}
    with pytest.raises(InputError, match="weight_range is of int8 files"):
        EXPORTERS.parse(table, "export")
