"""The cache of predictions: what it keeps, and what it must not."""

from pathlib import Path

import numpy as np
import pytest

from edgecv.pipeline.measure import MeasurementPool
from edgecv.pipeline.prediction_cache import SharedPredictionCache

pytestmark = pytest.mark.quick


def network(path: Path, factor: float, output: str) -> Path:
    """Write a network that multiplies the mean of each channel."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weight = numpy_helper.from_array(np.full((1,), factor, np.float32), "factor")
    nodes = [
        helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "factor"], [output]),
    ]
    ends = [
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)]
        for name, shape in (("x", [1, 3, 8, 8]), (output, [1, 3]))
    ]
    graph = helper.make_graph(nodes, "means", *ends, [weight])
    opsets = [helper.make_opsetid("", 13)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


@pytest.mark.parametrize("output", ["scores", "location"])
def test_each_file_and_each_images_have_their_own_outputs(tmp_path: Path, output: str) -> None:
    """Files with the word "location" in them, as those of external data, had one key: ""."""
    files = [network(tmp_path / f"{factor}.onnx", factor, output) for factor in (1.0, 5.0)]
    cache = SharedPredictionCache(tmp_path / "cache")
    with MeasurementPool(1, prediction_cache=cache) as pool:
        names = {pool.open("onnxruntime", file).output.name for file in files}
        found = {
            (file.stem, value): float(
                pool.predict("onnxruntime", file, np.full((4, 8, 8, 3), value, np.uint8)).only[0, 0]
            )
            for file in files
            for value in (10, 7)
        }
    assert found == {("1.0", 10): 10, ("1.0", 7): 7, ("5.0", 10): 50, ("5.0", 7): 35}
    assert names == {output}
    kept = len(list((tmp_path / "cache").glob("*.npz")))
    assert kept == (4 if output == "scores" else 0)
