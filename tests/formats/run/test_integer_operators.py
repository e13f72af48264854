"""Integer operators of ONNX Runtime are read with their options: what each gives is what it is."""

from pathlib import Path
from typing import Any

import numpy as np

from edgecv.core.input_spec import InputSpec
from edgecv.formats.onnx.runtime import OnnxRuntime

STEP, ZERO = 0.05, 100
OTHERS = "com.microsoft"


def operators(path: Path) -> dict[str, str]:
    """Write a file of integer operators with options; return the names of their outputs by kind."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    constants = {
        "s": np.float32(STEP),
        "z": np.uint8(ZERO),
        "ws": np.float32(0.02),
        "wz": np.int8(0),
        "w": random.integers(-100, 100, (6, 5), np.int8),
        "b": random.integers(-900, 900, 5, np.int32),
        "four": np.float32(4),
        "small": np.float32(1 / 256),
        "zero": np.uint8(0),
    }

    def node(kind: str, inputs: str, output: str, domain: str = OTHERS, **options: Any) -> Any:
        return helper.make_node(kind, inputs.split(), [output], output, domain=domain, **options)

    window = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2]}
    nodes = [
        node("Sub", "image four", "signed", ""),
        node("QuantizeLinear", "signed s z", "codes", ""),
        node("QLinearLeakyRelu", "codes s z s z", "leaky", alpha=0.4),
        node("QLinearConcat", "s z codes s z leaky s z", "both", axis=1),
        node("QLinearAveragePool", "both s z s z", "pooled", count_include_pad=1, **window),
        node("QLinearGlobalAveragePool", "pooled s z s z", "mean"),
        node("Flatten", "mean", "row", "", axis=1),
        node("QGemm", "row s z w ws wz b s z", "dense", alpha=0.5),
        node("QLinearSoftmax", "both s z small zero", "shares", axis=1, opset=17),
        node("DequantizeLinear", "dense s z", "output", ""),
        node("DequantizeLinear", "shares small zero", "pixels", ""),
    ]
    graph = helper.make_graph(
        nodes,
        "operators",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [
            helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, 5]),
            helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [1, 6, 8, 8]),
        ],
        [numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()],
    )
    sets = [helper.make_opsetid("", 17), helper.make_opsetid(OTHERS, 1)]
    onnx.save(helper.make_model(graph, opset_imports=sets, ir_version=8), path)
    return {each.op_type: each.output[0] for each in nodes if each.domain}


def test_what_an_integer_operator_gives_is_read_as_it_is(tmp_path: Path) -> None:
    import onnx
    import onnxruntime

    path = tmp_path / "a.onnx"
    names = operators(path)
    images = np.random.default_rng(1).integers(0, 9, (4, 8, 8, 3), np.uint8)
    found = OnnxRuntime().activations(path, images, InputSpec())
    model = onnx.load(path)
    steps = {"shares": (1 / 256, 0)}
    del model.graph.output[:]
    model.graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.UINT8, None)
        for name in names.values()
    )
    session = onnxruntime.InferenceSession(model.SerializeToString())
    runs = [
        session.run(None, {"image": each.transpose(2, 0, 1)[np.newaxis].astype("f")})
        for each in images
    ]
    own = {each.name: each.values for each in found}
    for place, name in enumerate(names.values()):
        scale, zero = steps.get(name, (STEP, ZERO))
        codes = np.stack([run[place].ravel() for run in runs]).astype(float)
        assert np.ptp(codes) > 3, name
        # Rounding apart: a sum of products, or a power, is one of floats there.
        assert np.abs(own[f"{name}_real"] / scale + zero - codes).max() < 1.51, name
