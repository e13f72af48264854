"""Real classifiers of the digits as ONNX files: a matrix, learned in a moment."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

SIDE, CLASSES = 8, 10
Weights = NDArray[np.float32]


@cache
def learned() -> tuple[Weights, Weights]:
    """Return weights (192, 10) and biases (10,), learned from the training images of the digits."""
    from edgecv.datasets.resolve import resolve

    data = resolve("digits").load((SIDE, SIDE, 3), 0, lambda done, total: None)
    pixels = data.train.images[:].reshape(len(data.train), -1) / 255
    pixels = np.column_stack([pixels, np.ones(len(pixels))])
    targets = np.eye(CLASSES)[data.train.labels]
    # Least squares with a small penalty; ten times as far apart, as a softmax needs.
    solved = np.linalg.solve(pixels.T @ pixels + np.eye(pixels.shape[1]), pixels.T @ targets) * 10
    return solved[:-1].astype(np.float32), solved[-1].astype(np.float32)


def write(path: Path, *, noise: float = 0.0, without: int | None = None, side: int = SIDE) -> Path:
    """Write a classifier: with noise on its weights, or without a liking for one class."""
    import onnx
    from onnx import helper, numpy_helper

    weights, biases = (each.copy() for each in learned())
    weights += np.random.default_rng(0).normal(size=weights.shape).astype(np.float32) * noise
    if without is not None:
        biases[without] -= 100
    if side != SIDE:
        weights = np.resize(weights, (side * side * 3, CLASSES))
    constants: dict[str, Any] = {
        "scale": np.array(255, np.float32),
        "weights": weights,
        "biases": biases,
    }
    nodes = [
        helper.make_node("Cast", ["image"], ["real"], to=1),
        helper.make_node("Div", ["real", "scale"], ["pixels"]),
        helper.make_node("Flatten", ["pixels"], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", "weights", "biases"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "digits",
        [helper.make_tensor_value_info("image", 2, ["batch", side, side, 3])],
        [helper.make_tensor_value_info("probabilities", 1, ["batch", CLASSES])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
