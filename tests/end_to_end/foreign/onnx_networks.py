"""Networks as torch's exporter writes them: convolutions, batch normalization, a residual."""

from pathlib import Path
from typing import Any

import numpy as np

SIDE, CLASSES = 16, 4


def residual(
    path: Path,
    *,
    opset: int = 17,
    batch: int | str = "batch",
    channels: int = 3,
    ends_in: str = "logits",
    flatten: str = "Flatten",
    ir_version: int = 8,
    padded: bool = True,
) -> Path:
    """Write (batch, channels, 16, 16) of numbers near zero -> (batch, 4).

    ``flatten``: Flatten, or Reshape to as many rows as the batch says (torch's ``view``).
    """
    import onnx
    from onnx import helper, numpy_helper

    random = np.random.default_rng(3)
    make = helper.make_node
    constants: dict[str, Any] = {}
    pads = [1, 1, 1, 1] if padded else [0, 0, 0, 0]

    def normal(name: str, *shape: int) -> str:
        value = random.normal(size=shape) / np.sqrt(max(1, np.prod(shape[1:])))
        constants[name] = value.astype(np.float32)
        return name

    def conv(number: int, source: str, inputs: int, outputs: int, **options: Any) -> list[Any]:
        group = options.get("group", 1)
        kernel = normal(f"conv{number}.weight", outputs, inputs // group, 3, 3)
        names = [f"bn{number}.{each}" for each in ("weight", "bias", "mean", "var")]
        for name in names:
            normal(name, outputs)
        constants[names[0]] = 1 + np.abs(constants[names[0]])
        constants[names[3]] = 1 + np.abs(constants[names[3]])
        return [
            make("Conv", [source, kernel], [f"c{number}"], kernel_shape=[3, 3], **options),
            make("BatchNormalization", [f"c{number}", *names], [f"b{number}"], epsilon=1e-5),
            make("Relu", [f"b{number}"], [f"r{number}"]),
        ]

    nodes = [
        *conv(1, "input", channels, 8, pads=pads, strides=[2, 2]),
        *conv(2, "r1", 8, 8, pads=[1, 1, 1, 1], group=8),
        *conv(3, "r2", 8, 8, pads=[1, 1, 1, 1]),
        make("Add", ["r3", "r1"], ["sum"]),
        make("GlobalAveragePool", ["sum"], ["pooled"]),
    ]
    if flatten == "Reshape":
        constants["rows"] = np.array([batch if isinstance(batch, int) else -1, 8], np.int64)
        nodes.append(make("Reshape", ["pooled", "rows"], ["flat"]))
    else:
        nodes.append(make("Flatten", ["pooled"], ["flat"], axis=1))
    normal("fc.weight", CLASSES, 8)
    normal("fc.bias", CLASSES)
    nodes.append(make("Gemm", ["flat", "fc.weight", "fc.bias"], ["logits"], transB=1, alpha=1.0))
    constants["fc.weight"] *= 6
    last = "logits"
    if ends_in == "softmax":
        nodes.append(make("Softmax", ["logits"], ["output"], axis=1))
        last = "output"
    if ends_in == "map":
        constants["as_map"] = np.array([-1, CLASSES, 1, 1], np.int64)
        nodes.append(make("Reshape", ["logits", "as_map"], ["output"]))
        last = "output"
    answer = [batch, CLASSES, 1, 1] if ends_in == "map" else [batch, CLASSES]
    image = helper.make_tensor_value_info("input", 1, [batch, channels, SIDE, SIDE])
    weights = [numpy_helper.from_array(value, name) for name, value in constants.items()]
    inputs = [image]
    if ir_version < 4:  # Weights were inputs too.
        inputs += [
            helper.make_tensor_value_info(each.name, each.data_type, list(each.dims))
            for each in weights
        ]
    graph = helper.make_graph(
        nodes,
        "torch_jit",
        inputs,
        [helper.make_tensor_value_info(last, 1, answer)],
        weights,
    )
    opsets = [helper.make_opsetid("", opset)]
    model = helper.make_model(
        graph, opset_imports=opsets, ir_version=ir_version, producer_name="pytorch"
    )
    onnx.save(model, path)
    return path


def labelled_by(path: Path, target: Path, preprocess: str, channels: int = 3) -> Path:
    """Write an .npz whose labels are what a network says of its images.

    The network's last bias is changed first, so that it says each class about as often.
    """
    import onnx
    from onnx import numpy_helper

    from edgecv.core.input_spec import input_spec_of
    from edgecv.formats.onnx.runtime import OnnxRuntime

    random = np.random.default_rng(4)
    count = 1600
    colours = random.integers(0, 200, (count, 1, 1, channels))
    noise = random.integers(0, 256, (count, SIDE, SIDE, channels)) * random.random((count, 1, 1, 1))
    images = np.clip(colours + noise, 0, 255).astype(np.uint8)
    answers = OnnxRuntime().open(path, 1, input_spec_of(preprocess)).predict(images).only
    if np.allclose(answers.sum(axis=1), 1):
        answers = np.log(answers)
    model = onnx.load(path)
    for each in model.graph.initializer:
        if each.name == "fc.bias":
            bias = numpy_helper.to_array(each) - answers.mean(axis=0)
            each.CopyFrom(numpy_helper.from_array(bias, each.name))
    onnx.save(model, path)
    labels = (answers - answers.mean(axis=0)).argmax(axis=1)
    train = np.arange(count) < count // 2
    np.savez(
        target,
        x_train=images[train],
        y_train=labels[train],
        x_test=images[~train],
        y_test=labels[~train],
    )
    return target
