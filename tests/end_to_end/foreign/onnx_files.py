"""ONNX files as other exporters write them, and what they compute, by numpy alone."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images

SIDE, CLASSES = 8, 10
WEIGHTS = np.random.default_rng(0).normal(size=(3, CLASSES))
WEIGHTS /= np.linalg.norm(WEIGHTS, axis=0)  # On a sphere, so that each class is the likeliest once.
TYPES = {"float32": 1, "uint8": 2, "int8": 3, "float16": 10, "float64": 11}


def logits_of(images: Images, scale: float = 1.0, offset: float = 0.0) -> NDArray[np.float64]:
    """Return what every file of ``mean_colour`` computes: (N, H, W, 3) -> (N, 10)."""
    return (images.astype(np.float64).mean((1, 2)) * scale + offset) @ WEIGHTS * 4


def softmax(logits: NDArray[np.float64]) -> NDArray[np.float64]:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def mean_colour(
    path: Path,
    *,
    layout: str = "nchw",
    taken: str = "float32",
    given: str = "float32",
    batch: int | str = "n",
    size: tuple[int | str, int | str] = (SIDE, SIDE),
    quantization: tuple[float, int] | None = None,
    ends_in: str = "logits",
    declared: list[int | str] | None = None,
    opset: int = 17,
) -> Path:
    """Write a network: the mean of each colour, a matrix, and what ``ends_in`` says.

    ``ends_in``: logits, softmax, log (LogSoftmax) or map, which gives (N, 10, 1, 1).
    """
    import onnx
    from onnx import helper, numpy_helper

    make = helper.make_node
    constants: dict[str, Any] = {"weights": (WEIGHTS * 4).astype(np.float32)}
    nodes, current = [], "input"
    if quantization is not None:
        constants |= {
            "scale": np.array(quantization[0], np.float32),
            "zero": np.array(quantization[1], taken),
        }
        nodes.append(make("DequantizeLinear", ["input", "scale", "zero"], ["real"]))
        current = "real"
    elif taken != "float32":
        nodes.append(make("Cast", ["input"], ["real"], to=TYPES["float32"]))
        current = "real"
    if layout == "nhwc":
        nodes.append(make("Transpose", [current], ["moved"], perm=[0, 3, 1, 2]))
        current = "moved"
    nodes += [
        make("GlobalAveragePool", [current], ["pooled"]),
        make("Flatten", ["pooled"], ["flat"]),
        make("MatMul", ["flat", "weights"], ["logits"]),
    ]
    current = "logits"
    if ends_in in ("softmax", "log"):
        operator = "Softmax" if ends_in == "softmax" else "LogSoftmax"
        nodes.append(make(operator, ["logits"], ["last"], axis=1))
        current = "last"
    if ends_in == "map":
        constants["as_map"] = np.array([-1, CLASSES, 1, 1])
        nodes.append(make("Reshape", ["logits", "as_map"], ["last"]))
        current = "last"
    if given in ("int8", "uint8"):
        zero = np.array(-128 if given == "int8" else 0, given)
        constants |= {"out_scale": np.array(1 / 256, np.float32), "out_zero": zero}
        nodes.append(make("QuantizeLinear", [current, "out_scale", "out_zero"], ["output"]))
    else:
        nodes.append(make("Cast", [current], ["output"], to=TYPES[given]))
    shape = [batch, 3, *size] if layout == "nchw" else [batch, *size, 3]
    answer = [batch, CLASSES, 1, 1] if ends_in == "map" else [batch, CLASSES]
    graph = helper.make_graph(
        nodes,
        "foreign",
        [helper.make_tensor_value_info("input", TYPES[taken], shape)],
        [helper.make_tensor_value_info("output", TYPES[given], declared or answer)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path
