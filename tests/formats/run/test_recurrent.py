"""Recurrent files: the answer for an image depends on that image alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Images
from edgecv.core.errors import UnsuitableFile
from edgecv.formats.onnx.runtime import OnnxRuntime
from edgecv.formats.tflite.runtime import LiteRT
from edgecv.formats.tflite.state import keeps_state
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.models.tf import load_tensorflow

SHAPE = (8, 8, 3)
ORDERS = {
    "backwards": np.arange(70)[::-1],
    "shuffled": np.random.default_rng(5).permutation(70),
}


def converted(model: Any, images: Images, precision: str) -> bytes:
    tensorflow, _ = load_tensorflow()
    lite = tensorflow.lite

    def serve(image: Any) -> Any:
        return model(image, training=False)

    signature = [tensorflow.TensorSpec((1, *SHAPE), tensorflow.float32)]
    function = tensorflow.function(serve, input_signature=signature).get_concrete_function()
    owner = tensorflow.Module()  # Of the weights: the whole model would be saved layer by layer.
    owner.variables_of_model = model.variables
    converter = lite.TFLiteConverter.from_concrete_functions([function], owner)
    if precision != "float32":
        converter.optimizations = [lite.Optimize.DEFAULT]
    if precision == "int8":
        converter.representative_dataset = lambda: ([i[None].astype("float32")] for i in images)
        converter.target_spec.supported_ops = [lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tensorflow.uint8
        converter.inference_output_type = tensorflow.int8
    return bytes(converter.convert())


@pytest.fixture(scope="module", params=["float32", "dynamic", "int8"])
def recurrent(
    request: pytest.FixtureRequest, images: Images, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Return an LSTM over the rows of an image, with variable tensors, as one file."""
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(0)
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.Rescaling(1 / 127.5, -1.0, input_shape=SHAPE),
            layers.Reshape((8, 24)),
            layers.LSTM(8),
            layers.Dense(3, activation="softmax"),
        ]
    )
    content = converted(model, images, request.param)
    tables = TFLiteTables(content, "recurrent")
    assert "UNIDIRECTIONAL_SEQUENCE_LSTM" in tables.kinds
    assert any(each.is_variable for each in tables.tensors)
    path = tmp_path_factory.mktemp("recurrent") / f"{request.param}.tflite"
    path.write_bytes(content)
    return path


@pytest.fixture(scope="module")
def fresh(recurrent: Path, images: Images) -> np.ndarray:
    """Return what an interpreter that never saw another image answers for each."""
    opened = (LiteRT().open(recurrent, threads=1) for _ in images)
    return np.concatenate(
        [each.predict(image[None]).only for each, image in zip(opened, images, strict=True)]
    )


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_and_batches_change_no_answer(
    threads: int, recurrent: Path, images: Images, fresh: np.ndarray
) -> None:
    session = LiteRT().open(recurrent, threads)
    np.testing.assert_array_equal(session.predict(images).only, fresh)
    for size in (1, 7):
        parts = [session.predict(images[at : at + size]).only for at in range(0, len(images), size)]
        np.testing.assert_array_equal(np.concatenate(parts), fresh)


@pytest.mark.parametrize("order", list(ORDERS))
def test_the_order_of_images_changes_no_answer(
    order: str, recurrent: Path, images: Images, fresh: np.ndarray
) -> None:
    places = ORDERS[order]
    found = LiteRT().open(recurrent, threads=2).predict(images[places]).only
    np.testing.assert_array_equal(found, fresh[places])


def test_activations_are_those_of_each_image_alone(recurrent: Path, images: Images) -> None:
    together = LiteRT().activations(recurrent, images[:4])
    for number in range(4):
        alone = LiteRT().activations(recurrent, images[number : number + 1])
        for one, some in zip(alone, together, strict=True):
            np.testing.assert_array_equal(one.values[0], some.values[number], one.name)


def test_extremes_are_those_of_each_image_alone(recurrent: Path, images: Images) -> None:
    together = LiteRT().watcher(recurrent, 1)(images[:4])
    for number in range(4):
        alone = LiteRT().watcher(recurrent, 1)(images[number : number + 1])
        np.testing.assert_array_equal(alone.low[0], together.low[number])
        np.testing.assert_array_equal(alone.high[0], together.high[number])


def test_every_timed_run_begins_without_a_state(recurrent: Path, images: Images) -> None:
    session = LiteRT().open(recurrent, threads=1)
    interpreter = session.interpreter(threads=1)
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(taken["index"], session.encode(images[:1]))
    call = session.invocation(interpreter)
    answers = [(call(), interpreter.get_tensor(given["index"]))[1] for _ in range(3)]
    for again in answers[1:]:
        np.testing.assert_array_equal(again, answers[0])
    session.single_call(images[:1])()


def test_a_plain_file_keeps_no_state(tflite: dict[str, Path]) -> None:
    for path in tflite.values():
        assert not keeps_state(path.read_bytes(), path.name)
        session = LiteRT().open(path, threads=1)
        interpreter = session.interpreter(threads=1)
        assert session.invocation(interpreter) == interpreter.invoke


@pytest.mark.parametrize("writes", [True, False])
def test_only_resource_variables_that_each_run_writes_are_refused(
    writes: bool, images: Images, tmp_path: Path
) -> None:
    tensorflow, _ = load_tensorflow()

    class Counting(tensorflow.Module):
        def __init__(self) -> None:
            super().__init__()
            self.seen = tensorflow.Variable(tensorflow.ones((1, 3)))

        @tensorflow.function(input_signature=[tensorflow.TensorSpec((1, *SHAPE))])
        def run(self, image: Any) -> Any:
            mean = tensorflow.reduce_mean(image, [1, 2])
            if writes:
                self.seen.assign_add(mean)
            return self.seen + mean

    module = Counting()
    converter = tensorflow.lite.TFLiteConverter.from_concrete_functions(
        [module.run.get_concrete_function()], module
    )
    converter.experimental_enable_resource_variables = True
    path = tmp_path / "counting.tflite"
    path.write_bytes(converter.convert())
    if not writes:
        LiteRT().open(path, threads=1).predict(images[:2])
        return
    with pytest.raises(UnsuitableFile, match=r"resource variables \(ASSIGN_VARIABLE\)"):
        LiteRT().open(path, threads=1)


def test_onnx_runtime_keeps_no_state(images: Images, tmp_path: Path) -> None:
    from onnx import TensorProto, checker, helper, numpy_helper, save

    random = np.random.default_rng(0)
    weights = {
        "W": random.normal(0, 0.1, (1, 16, 24)),
        "R": random.normal(0, 0.5, (1, 16, 4)),
        "rows": np.array([8, 1, 24]),
        "answer": np.array([1, 4]),
        "divisor": np.array(255.0),
    }
    stored = [
        numpy_helper.from_array(
            each.astype(np.float32 if each.dtype.kind == "f" else each.dtype), k
        )
        for k, each in weights.items()
    ]
    nodes = [
        helper.make_node("Div", ["image", "divisor"], ["scaled"]),
        helper.make_node("Reshape", ["scaled", "rows"], ["sequence"]),
        helper.make_node("LSTM", ["sequence", "W", "R"], ["", "last"], hidden_size=4),
        helper.make_node("Reshape", ["last", "answer"], ["classes"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, (1, *SHAPE))
    classes = helper.make_tensor_value_info("classes", TensorProto.FLOAT, (1, 4))
    graph = helper.make_graph(nodes, "rows", [image], [classes], stored)
    opset = [helper.make_opsetid("", 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    checker.check_model(model)
    path = tmp_path / "recurrent.onnx"
    save(model, path)
    opened = (OnnxRuntime().open(path, threads=1) for _ in range(8))
    fresh = np.concatenate(
        [each.predict(image[None]).only for each, image in zip(opened, images[:8], strict=True)]
    )
    session = OnnxRuntime().open(path, threads=2)
    np.testing.assert_array_equal(session.predict(images[:8]).only, fresh)
    np.testing.assert_array_equal(session.predict(images[7::-1]).only, fresh[::-1])
