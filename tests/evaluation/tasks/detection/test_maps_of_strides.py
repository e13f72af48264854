"""A detector of others whose raw head has maps of two strides, from file to verdict."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import edgecv

SIDE, IMAGES = 64, 60
STRIDES = (8, 16)
TASK = """
[task]
task = "detection"
[task.decoder]
kind = "yolo"
code = "distances"
rows = ["reg_8", "reg_16"]
scores = ["cls_8", "cls_16"]
activation = "sigmoid"
maps = [{ cells = [8, 8] }, { cells = [4, 4] }]
"""


def squares() -> dict[str, Any]:
    """Return images with small red and large green squares, on cells of 8 and 16 pixels."""
    random = np.random.default_rng(0)
    images = random.integers(0, 40, (IMAGES, SIDE, SIDE, 3)).astype(np.uint8)
    boxes = np.full((IMAGES, 2, 5), -1.0, np.float32)
    for image, found in zip(images, boxes, strict=True):
        for number, side in enumerate(STRIDES):
            left, top = side * random.integers(0, SIDE // side // 2, 2) + [SIDE // 2 * number, 0]
            image[top : top + side, left : left + side, number] = random.integers(200, 256)
            found[number] = (number, left, top, left + side, top + side)
    return {"x_train": images[:40], "y_train_boxes": boxes[:40],
            "x_test": images[40:], "y_test_boxes": boxes[40:]}  # fmt: skip


def detector(path: Path) -> None:
    """Write a network that finds such squares: the mean of each cell, by hand-made weights."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    nodes, constants, outputs = [], [], []

    def convolution(name: str, taken: str, stride: int, weights: Any, bias: Any) -> None:
        side = np.ones((1, 1, stride, stride)) / stride**2
        values = {"weights": np.array(weights)[:, :, None, None] * side, "bias": np.array(bias)}
        for key, each in values.items():
            constants.append(numpy_helper.from_array(each.astype(np.float32), f"{name}_{key}"))
        given = [taken, f"{name}_weights", f"{name}_bias"]
        nodes.append(helper.make_node("Conv", given, [name], name=name, strides=[stride] * 2))
        if name != "mix":
            outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))

    convolution("mix", "image", 1, np.eye(3), [0, 0, 0])
    nodes.append(helper.make_node("Relu", ["mix"], ["pixels"], name="pixels"))
    for number, stride in enumerate(STRIDES):
        scores = np.zeros((2, 3))
        scores[number, number] = 40
        convolution(f"cls_{stride}", "pixels", stride, scores, [-20, -20])
        convolution(f"reg_{stride}", "pixels", stride, np.full((4, 3), 0.01), [0.495] * 4)
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "strides", [image], outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(onnx.shape_inference.infer_shapes(model), path)


def test_maps_of_two_strides_are_compressed_and_judged_by_their_boxes(tmp_path: Path) -> None:
    np.savez(tmp_path / "squares.npz", **squares())
    detector(tmp_path / "strides.onnx")
    (tmp_path / "task.toml").write_text(TASK)
    report = edgecv.compress(
        tmp_path / "strides.onnx",
        data=tmp_path / "squares.npz",
        task=str(tmp_path / "task.toml"),
        preprocess="0..1",
        quantize="int8",
        output=tmp_path,
        name="strides",
    )
    assert report.baseline is not None
    assert report.baseline.metric == "AP"
    assert report.baseline.value == pytest.approx(1.0)
    found = {each.artifact.path: each for each in report.comparisons}
    assert found["int8.onnx"].value == pytest.approx(1.0, abs=0.05)
    assert len(found["int8.onnx"].further_outputs) == 3
    gates = {gate.name: gate.outcome for gate in report.gates}
    assert gates["proof"] == gates["max_drop_points"] == "passed", report.gates
