"""Findings on the processor: whether sums of products can saturate follows from the weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.analysis.doctor import execution
from edgecv.analysis.doctor.execution import SATURATION, processor_finding
from edgecv.analysis.inspection.read_file import inspect
from edgecv.analysis.inspection.text import to_text
from edgecv.formats.onnx.kernel_scales import KernelScales
from edgecv.formats.onnx.quantize import Quantizer


def write(path: Path, weights: Any) -> None:
    """Write an int8 file of one convolution with weights of a range."""
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(0)
    kernel = random.normal(0, 0.01, (4, 3, 3, 3)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["image"], ["planes"], "planes", perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["planes", "kernel"], ["answer"], "conv"),
        ],
        "net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["batch", 8, 8, 3])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["batch", 4, 6, 6])],
        [numpy_helper.from_array(kernel, "kernel")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    images = random.integers(0, 256, (8, 8, 8, 3), np.uint8)
    quantizer = Quantizer(model, images, path.name, KernelScales(), in_blocks=False)
    path.write_bytes(quantizer.quantize("uint8", weights).SerializeToString())


def test_a_file_with_weights_of_7_bits_cannot_saturate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its owner was told to ask for what it has."""
    said = {}
    for weights in ("full", "reduced"):
        path = tmp_path / f"{weights}.onnx"
        write(path, weights)
        found = inspect(path)
        assert ("int8 of 7 bits" in to_text(found)) == (weights == "reduced")
        for saturates in (True, False):
            monkeypatch.setattr(execution, "may_saturate", lambda saturates=saturates: saturates)
            finding = processor_finding(found.contents)
            said[weights, saturates] = SATURATION in finding.observed
    assert [case for case, is_said in said.items() if is_said] == [("full", True)]
