"""ONNX files: names, types, the edits of the graph, and what is refused."""

import random
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exported_runs import Export, Runtimes
from numpy.typing import NDArray

from edgecv.core.data import Shape
from edgecv.core.errors import RuntimeFailure, StepError
from edgecv.formats.onnx.activation_type import choose
from edgecv.formats.onnx.canonical import canonical, serialized
from edgecv.formats.onnx.check import BLOCKS, prove_integer
from edgecv.formats.onnx.convert import convert
from edgecv.formats.onnx.exporter import Onnx
from edgecv.formats.onnx.graph import read_model
from edgecv.formats.onnx.prepare import fold_rescaling
from edgecv.formats.onnx.runtime import OnnxRuntime
from edgecv.formats.onnx.trained_ranges import take_trained_ranges
from edgecv.models.tf import load_tensorflow


def load(path: Path) -> Any:
    import onnx

    return onnx.load(path)


def proto(model: Any) -> Any:
    """Return an onnx-ir model as a ModelProto."""
    import onnx_ir

    return onnx_ir.to_proto(model)


def run(model: Any, pixels: NDArray[Any]) -> NDArray[np.float32]:
    import onnxruntime

    session = onnxruntime.InferenceSession(serialized(model), providers=["CPUExecutionProvider"])
    answer: NDArray[np.float32] = session.run(None, {"image": pixels})[0]
    return answer


@pytest.mark.parametrize("precision", Onnx.precisions)
def test_public_names_and_an_open_batch(precision: str, export: Export) -> None:
    path, _ = export("plain", "onnx", precision)
    graph = load(path).graph
    assert [each.name for each in graph.input] == ["image"]
    assert [each.name for each in graph.output] == ["probabilities"]
    shape = [each.dim_param or each.dim_value for each in graph.input[0].type.tensor_type.shape.dim]
    assert shape == ["batch", *tiny_models.SHAPE]


def test_nothing_of_the_process_is_in_the_file(export: Export) -> None:
    for precision in Onnx.precisions:
        path, _ = export("plain", "onnx", precision)
        model = load(path)
        assert not model.doc_string
        assert not model.graph.doc_string
        assert not model.graph.value_info
        assert [each.domain for each in model.opset_import] == [""]
        assert not any(node.doc_string for node in model.graph.node)
        assert b"rescale" not in path.read_bytes()


@pytest.mark.parametrize("name", tiny_models.MODELS)
def test_int8_is_integers_from_end_to_end(name: str, export: Export, runtimes: Runtimes) -> None:
    from onnx import numpy_helper

    path, artifact = export(name, "onnx", "int8")
    model = load(path)
    facts = runtimes.open(path)
    assert (facts.input.type, facts.input.scale, facts.input.zero_point) == ("uint8", 1.0, 0)
    assert facts.output.type in ("uint8", "int8")
    assert facts.output.scale == pytest.approx(1 / 256, rel=1e-6)
    metadata = {each.key: each.value for each in model.metadata_props}
    assert float(np.float32(metadata["edgecv.output_scale"])) == facts.output.scale
    values = [numpy_helper.to_array(each) for each in model.graph.initializer]
    # What is left in floats are scales: one a tensor, or one a channel.
    assert max(each.size for each in values if each.dtype == np.float32) <= 24
    assert sum(each.size for each in values if each.dtype == np.int8) > 2000
    assert "us and" in artifact.notes[0]
    assert artifact.notes[0].startswith("activations")
    assert artifact.notes[-1].startswith("packed")
    others = [
        each
        for each in artifact.notes[1:-1]
        if each != BLOCKS and not each.startswith("weights of ")
    ]
    assert not others, "ONNX Runtime runs every layer in integers"
    assert artifact.bytes < 0.6 * export(name, "onnx", "float32")[1].bytes


@pytest.mark.parametrize("name", tiny_models.MODELS)
def test_the_rescaling_is_folded_away(name: str, export: Export) -> None:
    path, _ = export(name, "onnx", "int8")
    kinds = [node.op_type for node in load(path).graph.node]
    assert "Mul" not in kinds
    assert kinds.count("Add") == (1 if name == "modern" else 0)


@pytest.mark.parametrize(
    ("scale", "offset", "padding", "zero"),
    [
        (1 / 128, -1.0, "valid", 128),
        (1 / 128, -1.0, "same", 128),
        (1 / 255, 0.0, "same", 0),
        (1 / 127.5, -1.0, "valid", 127),
        (1 / 50, 0.7, "valid", 0),
        ([1 / 60, 1 / 61, 1 / 62], [-2.0, -2.1, -2.2], "valid", 128),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_folding_is_exact(scale: Any, offset: Any, padding: str, zero: int, channels: int) -> None:
    if channels == 1 and isinstance(scale, list):
        pytest.skip("one channel, one scale")
    shape = (16, 16, channels)
    model = convert(_rescaled(scale, offset, padding, shape), shape, "here")
    pixels = tiny_models.images(20, shape=shape).astype(np.float32)
    expected = run(model, pixels)
    edited = read_model(model)
    found = fold_rescaling(edited.graph)
    assert abs(found - zero) <= 1
    assert [node.op_type for node in edited.graph][1] == "Conv"
    np.testing.assert_allclose(run(proto(edited), pixels - found), expected, atol=2e-5)


def test_a_zero_between_two_pixels_is_half_a_step_off_at_padded_borders_only(
    tmp_path: Path,
) -> None:
    model = convert(
        _rescaled(1 / 127.5, -1.0, "same", tiny_models.SHAPE, "maps"), tiny_models.SHAPE, "x"
    )
    pixels = tiny_models.images(20).astype(np.float32)
    expected = run(model, pixels)
    edited = read_model(model)
    zero = fold_rescaling(edited.graph)
    folded = run(proto(edited), pixels - zero)
    difference = np.abs(folded - expected)
    assert difference[:, 1:-1, 1:-1].max() < 1e-5
    assert 1e-4 < difference.max() < 0.05
    path = tmp_path / "float32.onnx"
    path.write_bytes(serialized(model))
    padding = [zero / 127.5 - 1] * 3
    found = OnnxRuntime().watcher(path, 1, padding=padding)(tiny_models.images(20))
    np.testing.assert_allclose(found.high[:, -1], folded.max(axis=(1, 2, 3)), atol=1e-5)
    np.testing.assert_allclose(found.low[:, -1], folded.min(axis=(1, 2, 3)), atol=1e-5)


@pytest.mark.parametrize(
    ("scale", "offset"), [(1 / 50, 0.7), ([1 / 60, 1 / 61, 1 / 62], [-2, -1, 0])]
)
def test_what_cannot_be_folded_stays(scale: Any, offset: Any) -> None:
    model = convert(_rescaled(scale, offset, "same", tiny_models.SHAPE), tiny_models.SHAPE, "here")
    edited = read_model(model)
    before = serialized(proto(edited))
    assert fold_rescaling(edited.graph) == 0
    assert serialized(proto(edited)) == before


def test_a_normalization_is_written_so_that_it_can_be_quantized(
    tmp_path: Path, runtimes: Runtimes
) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    model = tiny_models.with_weights(
        keras.Sequential(
            [
                layers.InputLayer(tiny_models.SHAPE),
                layers.Normalization(mean=[125.0, 122.0, 90.0], variance=[3800.0, 3700.0, 4400.0]),
                layers.Conv2D(8, 3, padding="same", activation="relu"),
                layers.Flatten(),
                layers.Dense(tiny_models.CLASSES, activation="softmax"),
            ]
        )
    )
    path = tmp_path / "a.onnx"
    Onnx(precision="int8").export(model, tiny_models.images(50), path)
    expected = model.predict(tiny_models.images(200, seed=1).astype(np.float32), verbose=0)
    assert np.mean(runtimes.predict(path).only.argmax(axis=1) == expected.argmax(axis=1)) > 0.93


def test_ranges_that_training_found_are_taken_out() -> None:
    import onnx

    make, tensor = onnx.helper.make_node, onnx.helper.make_tensor_value_info
    constants = {
        "scale": np.float32(0.5),
        "open_zero": np.array(100, np.uint8),
        "signed_zero": np.array(-28, np.int8),
    }
    graph = onnx.helper.make_graph(
        [
            make("Relu", ["image"], ["relu"], name="rectifier"),
            make("QuantizeLinear", ["relu", "scale", "open_zero"], ["q1"]),
            make("DequantizeLinear", ["q1", "scale", "open_zero"], ["d1"]),
            make("Neg", ["d1"], ["negative"]),
            make("QuantizeLinear", ["negative", "scale", "signed_zero"], ["q2"]),
            make("DequantizeLinear", ["q2", "scale", "signed_zero"], ["probabilities"]),
        ],
        "test",
        [tensor("image", 1, ["batch", 4])],
        [tensor("probabilities", 1, ["batch", 4])],
        [onnx.numpy_helper.from_array(np.asarray(each), name) for name, each in constants.items()],
    )
    edited = read_model(onnx.helper.make_model(graph)).graph
    trained = take_trained_ranges(edited)
    # The range is wider than what the Relu lets through, so the quantizer must not take it out.
    assert trained.ranges["relu"] == (np.float32(0.5), 100)
    assert trained.kept_in(edited) == ["rectifier"]
    assert trained.ranges["probabilities"] == (np.float32(0.5), 100)
    assert [node.op_type for node in edited] == ["Relu", "Neg"]
    assert edited[1].outputs[0].name == "probabilities"
    assert edited.outputs[0] is edited[1].outputs[0]


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_weights_that_stay_float32_are_named(kind: str, tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input((8, 8, 3))
    given = getattr(layers, kind)(4, name="memory")(layers.Reshape((8, 24))(image))
    model = keras.Model(image, layers.Dense(3, activation="softmax")(given))
    images = np.random.default_rng(0).integers(0, 256, (20, 8, 8, 3), dtype=np.uint8)
    path = tmp_path / "int8.onnx"
    notes = Onnx(precision="int8").export(model, images, path).notes
    assert [f"{kind}_0" in note for note in notes if "recurrent layers" in note] == [True]


def test_the_proof_fails_floats(export: Export) -> None:
    path, _ = export("plain", "onnx", "float32")
    with pytest.raises(StepError, match="4 operators came back float32: Conv_0, Conv_1, MatMul_0"):
        prove_integer(load(path), "here")
    path, _ = export("plain", "onnx", "int8")
    model = load(path)
    weights = {node.input[0] for node in model.graph.node if node.op_type == "DequantizeLinear"}
    for each in model.graph.initializer:
        if each.name in weights and each.data_type == 3 and len(each.dims) == 4:
            each.data_type = 2  # The same bytes, read as uint8.
    for node in model.graph.node:
        if node.op_type == "DequantizeLinear" and len(node.input) == 3:
            _match_zero_point(model.graph, node)
    with pytest.raises(StepError, match="2 operators came back float32: Conv_0, Conv_1"):
        prove_integer(model, "here")


@pytest.mark.parametrize("sides", [((8, 8, 3), (1, 8, 24)), ((8, 8, 1), (1, 8, 8))])
def test_rows_of_an_image_are_no_channels(sides: tuple[Shape, Shape]) -> None:
    """A rescaling before an image that becomes one row was folded into a kernel of its rows."""
    _, keras = load_tensorflow()
    layers = keras.layers
    shape, rows = sides
    image = layers.Input(shape, name="image")
    given = layers.Reshape(rows)(layers.Rescaling(1 / 255)(image))
    given = layers.Conv2D(8, (1, 3), activation="relu")(given)
    model = tiny_models.with_weights(
        keras.Model(image, layers.Dense(4)(layers.GlobalAveragePooling2D()(given)))
    )
    edited = read_model(convert(model, shape, "here"))
    assert fold_rescaling(edited.graph) == 0
    pixels = tiny_models.images(10, shape=shape).astype(np.float32)
    np.testing.assert_allclose(run(proto(edited), pixels), np.asarray(model(pixels)), atol=1e-4)


def test_a_layer_that_onnx_does_not_know_is_named(tmp_path: Path) -> None:
    tensorflow, keras = load_tensorflow()
    model = tiny_models.ending_in(keras.layers.Activation(tensorflow.math.bessel_i0e))
    for precision in Onnx.precisions:
        exporter = Onnx.model_validate({"precision": precision})
        with pytest.raises(StepError, match="tf2onnx cannot write BesselI0e"):
            exporter.export(model, tiny_models.images(5), tmp_path / "a.onnx")
    assert not list(tmp_path.iterdir())


def test_grouped_convolutions_of_keras_are_written(tmp_path: Path, runtimes: Runtimes) -> None:
    _, keras = load_tensorflow()
    model = tiny_models.ending_in(keras.layers.Conv2D(8, 3, groups=4, padding="same"))
    pixels = tiny_models.images(20, seed=1)
    expected = model(pixels.astype(np.float32)).numpy()
    for precision, far in (("float32", 1e-5), ("int8", 0.1)):
        path = tmp_path / f"{precision}.onnx"
        Onnx.model_validate({"precision": precision}).export(model, pixels, path)
        attributes = [each for node in load(path).graph.node for each in node.attribute]
        assert 4 in [each.i for each in attributes if each.name == "group"]
        found = runtimes.predict(path, len(pixels)).only
        assert np.abs(found - expected).mean() < far


def test_gelu_is_written_with_what_onnx_has(tmp_path: Path, runtimes: Runtimes) -> None:
    _, keras = load_tensorflow()
    model = tiny_models.ending_in(keras.layers.Activation("gelu"))
    path = tmp_path / "a.onnx"
    Onnx(precision="float32").export(model, tiny_models.images(5), path)
    pixels = tiny_models.images(200, seed=1).astype(np.float32)
    np.testing.assert_allclose(runtimes.predict(path).only, model(pixels).numpy(), atol=1e-5)


def test_a_layer_that_stays_float_at_run_time_is_said(tmp_path: Path) -> None:
    _, keras = load_tensorflow()
    model = tiny_models.ending_in(keras.layers.Conv2DTranspose(8, 3, name="up"))
    path = tmp_path / "a.onnx"
    artifact = Onnx(precision="int8").export(model, tiny_models.images(20), path)
    assert "1 of 3 layers in float32 on this machine: ConvTranspose_0" in artifact.notes[1]


def test_order_and_names_do_not_matter(network: Any, tmp_path: Path) -> None:
    path = tmp_path / "float32.onnx"
    Onnx(precision="float32", pack="off").export(network("modern"), tiny_models.images(0), path)
    model = load(path)
    expected = serialized(canonical(read_model(model), "here"))
    assert expected == path.read_bytes()
    shuffled = list(model.graph.node)
    random.Random(0).shuffle(shuffled)
    constants = list(model.graph.initializer)[::-1]
    model.producer_version = "7"
    model.graph.doc_string = "made in /home/somebody"
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(shuffled)
    model.graph.initializer.extend(constants)
    for node in model.graph.node:
        node.name = f"{node.op_type}__{random.random()}"
        node.doc_string = "somewhere"
        for names in (node.input, node.output):
            names[:] = [each.replace(":0", "__1234") for each in names]
    assert serialized(canonical(read_model(model), "here")) == expected


def test_a_deep_network_is_no_problem() -> None:
    import onnx

    count = 3000
    tensor = onnx.helper.make_tensor_value_info
    names = ["image", *(f"t{number}" for number in range(count - 1)), "probabilities"]
    nodes = [onnx.helper.make_node("Relu", [before], [after]) for before, after in pairwise(names)]
    graph = onnx.helper.make_graph(
        nodes, "deep", [tensor("image", 1, [1, 2])], [tensor("probabilities", 1, [1, 2])]
    )
    assert len(canonical(read_model(onnx.helper.make_model(graph)), "here").graph.node) == count


def _match_zero_point(graph: Any, node: Any) -> None:
    """Give a dequantized constant a zero point of its own type."""
    from onnx import numpy_helper

    constants = {each.name: each for each in graph.initializer}
    value, zero = constants.get(node.input[0]), constants[node.input[2]]
    if value is not None and value.data_type == 2 and zero.data_type == 3:
        name = f"{node.name}_zero"
        zeros = np.zeros(tuple(zero.dims), np.uint8)
        graph.initializer.append(numpy_helper.from_array(zeros, name))
        node.input[2] = name


def _rescaled(scale: Any, offset: Any, padding: str, shape: Shape, end: str = "answer") -> Any:
    """Return a rescaling, a convolution with a bias, and classes or the feature maps."""
    _, keras = load_tensorflow()
    layers = keras.layers
    last = [layers.Flatten(), layers.Dense(tiny_models.CLASSES)] if end == "answer" else []
    return tiny_models.with_weights(
        keras.Sequential(
            [
                layers.InputLayer(shape),
                layers.Rescaling(scale, offset),
                layers.Conv2D(8, 3, padding=padding),
                *last,
            ]
        )
    )


def test_activations_that_cannot_be_run_are_not_chosen(export: Export) -> None:
    good = export("plain", "onnx", "int8")[0].read_bytes()
    reference = export("plain", "onnx", "float32")[0].read_bytes()
    contents = {"uint8": good, "int8": b"not a model"}
    chosen, reason = choose(contents, reference, tiny_models.images(5), "int8.onnx")
    assert chosen == "uint8"
    assert reason.startswith("activations uint8: with int8, ONNX Runtime refused it")
    with pytest.raises(RuntimeFailure, match=r"uint8 of int8\.onnx.*refused"):
        choose({"uint8": b"", "int8": good}, reference, tiny_models.images(5), "int8.onnx")


def test_each_of_several_outputs_has_its_scale(tmp_path: Path) -> None:
    """A file with two outputs said nothing of them: its numbers could not be read without us."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input(tiny_models.SHAPE, name="image")
    shared = layers.GlobalAveragePooling2D()(layers.Conv2D(8, 3, activation="relu")(image))
    ends = [
        layers.Dense(4, activation="softmax", name="kind")(shared),
        layers.Dense(1, name="tone")(shared),
    ]
    model = tiny_models.with_weights(keras.Model(image, ends))
    path = tmp_path / "two.onnx"
    Onnx(precision="int8").export(model, tiny_models.images(50), path)
    metadata = {each.key: each.value for each in load(path).metadata_props}
    facts = OnnxRuntime().open(path, 1).facts
    assert len(facts.outputs) == 2
    for each in facts.outputs:
        assert float(np.float32(metadata[f"edgecv.output_scale.{each.name}"])) == each.scale
        assert int(metadata[f"edgecv.output_zero_point.{each.name}"]) == each.zero_point


def test_a_model_is_converted_once_for_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    import tf2onnx

    calls: list[Any] = []
    from_keras = tf2onnx.convert.from_keras

    def counted(model: Any, **options: Any) -> Any:
        calls.append(model)
        return from_keras(model, **options)

    monkeypatch.setattr(tf2onnx.convert, "from_keras", counted)
    model = tiny_models.plain()
    first = convert(model, tiny_models.SHAPE, "here")
    content = serialized(first)
    del first.graph.node[:]
    assert serialized(convert(model, tiny_models.SHAPE, "here")) == content, "it is a copy"
    assert len(calls) == 1
    model.set_weights([2 * each for each in model.get_weights()])
    other = serialized(convert(model, tiny_models.SHAPE, "here"))
    assert len(calls) == 2
    assert other != content
