"""The names of a file's outputs, given to a validation beside data of several kinds of targets."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import edgecv
from edgecv.core.errors import InputError

COLOURS = ("red", "green", "blue")


@pytest.fixture
def colours_file(tmp_path: Path) -> Path:
    """Write a classifier of the largest channel of images of 8x8 pixels."""
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Mul", ["mean", "fifty"], ["scaled"]),
        helper.make_node("Softmax", ["scaled"], ["probabilities"]),
    ]
    graph = helper.make_graph(
        nodes,
        "colours",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, 8, 8])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor("fifty", TensorProto.FLOAT, [], [50.0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "colours.onnx")
    return tmp_path / "colours.onnx"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Write 60 images of one colour each, and a table of their labels and a number."""
    rows = ["file,label,age"]
    for number in range(60):
        pixels = np.random.default_rng(number).integers(0, 60, (8, 8, 3)).astype(np.uint8)
        pixels[..., number % 3] += 150
        content = io.BytesIO()
        Image.fromarray(pixels).save(content, "PNG")
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / f"data/{number}.png").write_bytes(content.getvalue())
        rows.append(f"{number}.png,{COLOURS[number % 3]},{number}")
    (tmp_path / "data/labels.csv").write_text("\n".join(rows))
    return tmp_path / "data"


def test_names_order_the_classes_of_a_table_with_numbers(colours_file: Path, table: Path) -> None:
    """A data set of two kinds of targets was an internal error."""
    (names := table.parent / "names.txt").write_text("\n".join(COLOURS))
    report = edgecv.validate(colours_file, data=table, preprocess="0..1", labels=names)
    assert report.comparisons[0].value == 1.0
    names.write_text("red\ngreen\nred")
    with pytest.raises(InputError, match='the name "red" stands there twice'):
        edgecv.validate(colours_file, data=table, preprocess="0..1", labels=names)


def test_a_task_of_numbers_takes_no_names(colours_file: Path, table: Path) -> None:
    (names := table.parent / "names.txt").write_text("\n".join(COLOURS))
    with pytest.raises(InputError, match="names classes, and numbers are none"):
        edgecv.validate(
            colours_file, data=table, preprocess="0..1", labels=names, task="regression"
        )
