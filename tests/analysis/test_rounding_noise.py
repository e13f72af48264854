"""Rows in the order of scores that are nearly equal are moved by rounding alone, and by faults."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from deployed import deployed_file

import edgecv
from edgecv.analysis.deploy.proof import DeviceProof
from edgecv.analysis.options import DeployOptions, ValidateOptions
from edgecv.analysis.validate import validate
from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.input_spec import input_spec_of
from edgecv.core.plugins import DeviceFacts
from edgecv.core.report import Report
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.task_of import task_of
from edgecv.formats.onnx.runtime import OnnxRuntime
from edgecv.pipeline.context import open_analysis, open_run
from edgecv.pipeline.judge_again import steady_beside_twins
from edgecv.pipeline.recipe.run_settings import RunSettings
from edgecv.pipeline.run_gates import limit_gates
from edgecv.system.storage import Store
from edgecv.targets.bundle.target import Bundle

SIDE, PLACES, KEPT = 8, 50, 20
RANDOM = np.random.default_rng(0)
EQUAL = RANDOM.normal(size=(3 * SIDE * SIDE, 1)) * np.ones((1, PLACES))
NOISE = RANDOM.normal(size=EQUAL.shape)
BOXES = RANDOM.normal(size=(PLACES, 4)).astype("f")
IMAGES = RANDOM.integers(0, 256, (20, SIDE, SIDE, 3), dtype=np.uint8)


def detector(path: Path, scores: np.ndarray, boxes: np.ndarray = BOXES) -> Path:
    """Write an ONNX file that gives the boxes of the highest scores, the highest first."""
    import onnx
    from onnx import helper, numpy_helper

    make = helper.make_node
    nodes = [
        make("Flatten", ["image"], ["pixels"]),
        make("MatMul", ["pixels", "weights"], ["scores"]),
        make("TopK", ["scores", "kept"], ["values", "places"]),
        make("Gather", ["boxes", "places"], ["rows"]),
    ]
    constants = {"weights": scores.astype("f"), "kept": np.array([KEPT]), "boxes": boxes}
    graph = helper.make_graph(
        nodes,
        "detector",
        [helper.make_tensor_value_info("image", 1, ["n", 3, SIDE, SIDE])],
        [helper.make_tensor_value_info("rows", 1, ["n", KEPT, 4])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def compared(file: Path, baseline: Path, folder: Path) -> Report:
    np.savez(folder / "data.npz", x_test=IMAGES, y_test=np.arange(20) % 2)
    return edgecv.validate(
        file, baseline=baseline, data=folder / "data.npz", task="outputs", preprocess="imagenet"
    )


def test_an_order_that_rounding_decides_fails_no_file(tmp_path: Path) -> None:
    baseline = detector(tmp_path / "a.onnx", EQUAL + 1e-7 * NOISE)
    file = detector(tmp_path / "b.onnx", (EQUAL + 1e-7 * NOISE) * (1 + 2**-21))
    report = compared(file, baseline, tmp_path)
    assert report.outcome == "inconclusive"
    reasons = {each.name: each.reason for each in report.gates if each.outcome == "inconclusive"}
    assert "rounding decides the order of its rows" in reasons["min_cosine"]


def test_a_stored_run_that_is_judged_again_fails_as_little(tmp_path: Path) -> None:
    baseline = detector(tmp_path / "float32.onnx", EQUAL + 1e-7 * NOISE)
    file = detector(tmp_path / "b.onnx", (EQUAL + 1e-7 * NOISE) * (1 + 2**-21))
    report = compared(file, baseline, tmp_path)
    (found,) = report.comparisons
    twin = replace(found, is_twin=True, artifact=replace(found.artifact, path=baseline.name))
    stored = replace(report, comparisons=(twin, found))
    limits = Limits(min_cosine=0.99)
    gates = limit_gates([found], limits, task_of(report), report.data, report.machine)
    assert [gate.outcome for gate in gates] == ["failed"]
    settings = RunSettings(name="again")
    with open_run(Store(tmp_path), settings) as context:
        steady = steady_beside_twins(stored, tmp_path, IMAGES, context, gates, limits)
    assert [gate.outcome for gate in steady] == ["inconclusive"]


class Board:
    """A device that runs an ONNX file as this machine does."""

    facts = DeviceFacts("Runtime 1")

    def __init__(self, file: Path) -> None:
        self._session = OnnxRuntime().open(file, 1, input_spec_of("imagenet"))

    def predict(self, images: Images) -> Outputs:
        return self._session.predict(images)

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        return None


@pytest.mark.parametrize("fault", [0.0, 2.0])
def test_the_row_of_a_device_fails_as_little(fault: float, tmp_path: Path) -> None:
    scores = NOISE if fault else EQUAL + 1e-7 * NOISE
    baseline = detector(tmp_path / "a.onnx", scores)
    file = detector(tmp_path / "b.onnx", scores * (1 + 2**-21))
    there = detector(tmp_path / "c.onnx", scores, BOXES[:, ::-1] + np.float32(fault))
    there = there if fault else file
    np.savez(tmp_path / "data.npz", x_test=IMAGES, y_test=np.arange(20) % 2)
    request = ValidateOptions(
        paths=(file,),
        baseline=baseline,
        data=tmp_path / "data.npz",
        task=("outputs",),
        preprocess="imagenet",
    ).request()
    with open_analysis(request.settings) as context:
        report, arrays = validate(request, context)
        facts = context.measurements.open("onnxruntime", file, input_spec_of("imagenet"))
        artifact = report.comparisons[0].artifact
        deployed = deployed_file("onnx", artifact=artifact, facts=facts)
        proof = DeviceProof(deployed, report, arrays, request.limits, context)
        found = proof.with_device(Board(there), Bundle(), DeployOptions(paths=(file,)))
    outcomes = {gate.outcome for gate in found.gates if gate.artifact.endswith(" on bundle")}
    assert ("failed" in outcomes) == bool(fault)
    assert fault or "inconclusive" in outcomes


@pytest.mark.parametrize("moved", [0.0, 2.0])
def test_a_fault_fails_where_the_order_is_clear(moved: float, tmp_path: Path) -> None:
    baseline = detector(tmp_path / "a.onnx", NOISE)
    file = detector(tmp_path / "b.onnx", NOISE, BOXES[:, ::-1] + np.float32(moved))
    assert compared(file, baseline, tmp_path).outcome == "failed"


@pytest.mark.parametrize("fault", [0.0, 2.0])
def test_a_fault_fails_where_rounding_moves_less_than_the_limit(
    fault: float, tmp_path: Path
) -> None:
    """Three rows that rounding exchanges excuse no file that differs in all rows."""
    scores = NOISE.copy()
    scores[:, :3] = EQUAL[:, :3] + 1e-7 * NOISE[:, :3]
    baseline = detector(tmp_path / "a.onnx", scores)
    boxes = BOXES[:, ::-1] if fault else BOXES
    file = detector(tmp_path / "b.onnx", scores * (1 + 2**-21), boxes + np.float32(fault))
    report = compared(file, baseline, tmp_path)
    assert report.outcome == ("failed" if fault else "inconclusive")
