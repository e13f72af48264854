"""Findings from the tables of files that other tools have made."""

from pathlib import Path

import numpy as np
import pytest

from edgecv.analysis.doctor.structure import structural_findings
from edgecv.analysis.inspection.read_file import inspect


@pytest.mark.parametrize("name", ["a.onnx", "a-int8.onnx"])
def test_an_onnx_file_with_dynamic_ranges_is_one_finding(name: str, tmp_path: Path) -> None:
    """ONNX Runtime's own quantizer puts float operators between all of its integer ones."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime.quantization import quantize_dynamic

    random = np.random.default_rng(0)
    kernels = {
        each: random.normal(size=(4, channels, 3, 3)).astype(np.float32)
        for each, channels in (("one", 3), ("other", 4))
    }
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["image", "one"], ["found"], "first"),
            helper.make_node("Relu", ["found"], ["kept"], "relu"),
            helper.make_node("Conv", ["kept", "other"], ["answer"], "second"),
        ],
        "convolutions",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 8, 8])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, 4, 4, 4])],
        [numpy_helper.from_array(value, each) for each, value in kernels.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "float.onnx")
    quantize_dynamic(str(tmp_path / "float.onnx"), str(tmp_path / name))
    (found,) = structural_findings(inspect(tmp_path / name).contents, name)
    assert found.name == "dynamic-range"
    assert found.severity == ("error" if "int8" in name else "warning")
    assert "2 operators with int8 weights and float32 activations" in found.observed


@pytest.mark.parametrize("name", ["a.onnx", "a-int8.onnx"])
def test_weights_that_onnx_unpacks_are_not_rounded_anew(name: str, tmp_path: Path) -> None:
    """A file of 4-bit weights was called a dynamic-range model, and its arithmetic is float32."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    codes = np.arange(32).reshape(8, 4) % 7
    graph = helper.make_graph(
        [
            helper.make_node("DequantizeLinear", ["codes", "steps"], ["weights"], axis=0),
            helper.make_node("MatMul", ["image", "weights"], ["answer"], "dense"),
        ],
        "dense",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 8])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, [1, 4])],
        [
            helper.make_tensor("codes", TensorProto.INT4, codes.shape, codes.ravel().tolist()),
            numpy_helper.from_array(np.full(8, 0.1, np.float32), "steps"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10)
    onnx.save(model, tmp_path / name)
    (found,) = structural_findings(inspect(tmp_path / name).contents, name)
    assert found.name == "weights-only"
    assert found.severity == ("error" if "int8" in name else "warning")
    ending = "1 operator with int4 weights and no range of activations: the arithmetic is float32"
    assert found.observed.endswith(ending)
