"""ONNX files of 16-bit floats that ONNX Runtime itself does not run."""

from pathlib import Path

import numpy as np

from edgecv.pipeline.context import open_run
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.user_models import open_user_model
from edgecv.system.storage import Store


def test_a_file_that_the_runtime_refuses_is_its_float32_form(tmp_path: Path) -> None:
    """It ended the run for the sake of a note: there are no kernels of bfloat16."""
    import onnx
    from onnx import TensorProto, helper

    random = np.random.default_rng(0)
    weights = (random.normal(size=192 * 3) * 0.05).tolist()
    nodes = [
        helper.make_node("Cast", ["image"], ["half"], to=TensorProto.BFLOAT16),
        helper.make_node("Flatten", ["half"], ["flat"]),
        helper.make_node("MatMul", ["flat", "weights"], ["product"]),
        helper.make_node("Cast", ["product"], ["logits"], to=TensorProto.FLOAT),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "half",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("weights", TensorProto.BFLOAT16, [192, 3], weights)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "half.onnx")
    images = random.integers(0, 256, (60, 8, 8, 3)).astype(np.uint8)
    np.savez(tmp_path / "data.npz", x_test=images, y_test=np.arange(60) % 3)
    options = CompressOptions(
        model=str(tmp_path / "half.onnx"),
        data=str(tmp_path / "data.npz"),
        quantize="none",
        formats="onnx",
        preprocess="0..1",
    )
    recipe = options.to_recipe()
    with open_run(Store(tmp_path / "exported"), recipe.settings, lambda event: None) as context:
        notes = open_user_model(recipe, context).notes
    assert any(note.endswith("ONNX Runtime does not run the file itself") for note in notes)
