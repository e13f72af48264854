"""ONNX files as other tools write them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from foreign_models import normal, onnx_model

from edgecv.analysis.inspection.text import shape_text
from edgecv.core.errors import InputError
from edgecv.formats.contents import Contents
from edgecv.formats.onnx import inspect as onnx

pytestmark = pytest.mark.quick


def read(model: Any, where: str = "foreign.onnx") -> Contents:
    return onnx.read(model.SerializeToString(), where)


def contents_of(*parts: Any, **types: Any) -> Contents:
    """Return the contents of a model of nodes, inputs, outputs and constants."""
    return read(onnx_model(*parts, **types))


def node(kind: str, inputs: str, outputs: str, **attributes: Any) -> Any:
    from onnx import helper

    def named(text: str) -> list[str]:
        return ["" if name == "-" else name for name in text.split()]

    return helper.make_node(kind, named(inputs), named(outputs), name=f"the_{kind}", **attributes)


def test_channels_first_groups_and_an_open_batch() -> None:
    contents = contents_of(
        [
            node("Conv", "x w b", "c", group=2, pads=[1, 1, 1, 1]),
            node("Relu", "c", "r"),
            node("ConvTranspose", "r t", "y", strides=[2, 2]),
        ],
        {"x": ["batch", 4, 8, 8]},
        {"y": ["batch", 3, 16, 16]},
        {"w": normal(6, 2, 3, 3), "b": normal(6), "t": normal(6, 3, 2, 2)},
    )
    (image,) = contents.inputs
    assert shape_text(image) == "batch x 4 x 8 x 8"
    assert [each.macs for each in contents.operators] == [64 * 6 * 18, 0, 64 * 6 * 3 * 4]
    assert [each.parameters for each in contents.operators] == [108 + 6, 0, 72]
    assert contents.operators[0].output_shape == (1, 6, 8, 8)
    assert contents.peak_activation_bytes == 4 * (6 * 64 + 3 * 256)
    assert contents.facts["made by"] == "by hand"
    assert contents.facts["operator sets"] == "ai.onnx 17"


def test_sides_that_stay_open_leave_costs_unknown() -> None:
    contents = contents_of(
        [node("Conv", "x w", "y")],
        {"x": [None, 3, "height", None]},
        {"y": [None, 8, None, None]},
        {"w": normal(8, 3, 3, 3)},
    )
    (conv,) = contents.operators
    assert shape_text(contents.inputs[0]) == "N x 3 x height x N"
    assert (conv.macs, conv.parameters) == (None, 216)
    assert (contents.macs, contents.known_macs) == (None, 0)
    assert conv.output_shape == (1, 8, -1, -1)
    assert contents.peak_activation_bytes is None


def test_gemm_and_matmul_turned_or_not() -> None:
    contents = contents_of(
        [
            node("Gemm", "x w b", "g", transB=1),
            node("MatMul", "g m", "p"),
            node("MatMul", "p q", "y"),
        ],
        {"x": [1, 20], "q": [5, 7]},
        {"y": [1, 7]},
        {"w": normal(10, 20), "b": normal(10), "m": normal(10, 5)},
    )
    assert [each.macs for each in contents.operators] == [200, 50, 35]
    assert contents.parameters == 200 + 10 + 50


def test_a_flatten_of_computed_shapes_leaves_no_cost_unknown() -> None:
    """As tf2onnx writes it: the batch out of Shape, and -1 for the rest."""
    contents = contents_of(
        [
            node("Conv", "x w", "c"),
            node("Shape", "c", "s"),
            node("Gather", "s order", "turned"),
            node("Cast", "turned", "small", to=6),
            node("Slice", "small zero one zero", "batch"),
            node("Concat", "batch rest", "joined", axis=0),
            node("Cast", "joined", "wanted", to=7),
            node("Reshape", "c wanted", "flat"),
            node("MatMul", "flat m", "y"),
        ],
        {"x": ["batch", 3, 8, 8]},
        {"y": ["batch", 10]},
        {
            "w": normal(4, 3, 3, 3), "m": normal(144, 10), "order": np.array([0, 2, 3, 1]),
            "zero": np.array([0]), "one": np.array([1]), "rest": np.array([144], np.int32),
        },
    )  # fmt: skip
    by_type = {each.type: each for each in contents.operators}
    assert by_type["Reshape"].output_shape == (1, 144)
    assert by_type["MatMul"].macs == 144 * 10
    assert contents.macs == contents.known_macs == 36 * 4 * 27 + 1440
    assert contents.peak_activation_bytes is not None


def test_a_product_with_a_kernel_of_known_sides_is_counted() -> None:
    contents = contents_of(
        [node("Reshape", "x s", "r"), node("MatMul", "r m", "y")],
        {"x": [1, 20], "s": [2]},
        {"y": [1, 5]},
        {"m": normal(20, 5)},
        types={"s": "INT64"},
    )
    assert contents.operators[-1].macs == 100


def test_constants_that_several_operators_share_are_counted_once() -> None:
    contents = contents_of(
        [
            node("Gemm", "x w b", "g"),
            node("PRelu", "g slope", "p"),
            node("Gemm", "p w b", "h"),
            node("PRelu", "h slope", "q"),
            node("Transpose", "w", "turned"),
            node("MatMul", "q turned", "y"),
        ],
        {"x": [1, 10]},
        {"y": [1, 10]},
        {"w": normal(10, 10), "b": normal(10), "slope": normal(10)},
    )
    assert [each.parameters for each in contents.operators] == [110, 10, 0, 0, 0]
    assert (contents.parameters, contents.macs) == (120, 300)
    assert sum(each.weight_bytes for each in contents.operators) == 480


def test_computed_constants_have_the_type_that_is_stored_and_no_other() -> None:
    contents = contents_of(
        [
            node("Cast", "half", "kernel", to=1),
            node("MatMul", "x kernel", "p"),
            node("Cast", "places", "grid", to=1),
            node("Add", "p grid", "a"),
            node("Equal", "left right", "mask"),
            node("Where", "mask a a", "y"),
        ],
        {"x": [1, 10]},
        {"y": [1, 10]},
        {
            "half": normal(10, 10).astype(np.float16), "places": np.arange(10),
            "left": normal(10), "right": normal(10),
        },
    )  # fmt: skip
    product, addition, choice = contents.operators
    assert (product.weight_type, product.parameters, product.weight_bytes) == ("float16", 100, 200)
    assert (addition.parameters, addition.weight_bytes) == (0, 0), "nothing real is stored"
    assert addition.weight_type == "float32"
    assert (choice.weight_type, choice.parameters) == ("", 0), "truth values are no weights"


def test_a_kernel_that_the_graph_fills_has_parameters_and_no_bytes() -> None:
    contents = contents_of(
        [
            node("ConstantOfShape", "sides", "kernel"),
            node("ConstantOfShape", "one", "bias"),
            node("Conv", "x kernel bias", "c"),
            node("Conv", "c kernel2 bias", "y"),
        ],
        {"x": [1, 4, 8, 8]},
        {"y": [1, 4, 4, 4]},
        {
            "sides": np.array([4, 4, 3, 3]), "one": np.array([4]),
            "kernel2": normal(4, 4, 3, 3),
        },
    )  # fmt: skip
    assert [each.parameters for each in contents.operators] == [148, 144], "the bias counts once"
    assert [each.weight_bytes for each in contents.operators] == [0, 576]


def test_operators_of_onnx_runtime_that_are_not_known_have_no_costs() -> None:
    contents = contents_of(
        [node("QMoE", "x w", "y", domain="com.microsoft")],
        {"x": [1, 10]},
        {"y": [1, 10]},
        {"w": normal(10, 10)},
    )
    assert (contents.macs, contents.known_macs) == (None, 0)


def quantized_convolution() -> Any:
    scale, zero = np.float32(0.5), np.uint8(3)
    return onnx_model(
        [
            node("QLinearConv", "x xs xz w ws wz ys yz b", "y"),
        ],
        {"x": [1, 3, 8, 8]},
        {"y": [1, 4, 6, 6]},
        {
            "xs": scale,
            "xz": zero,
            "w": np.ones((4, 3, 3, 3), np.int8),
            "ws": np.full(4, 0.1, np.float32),
            "wz": np.zeros(4, np.int8),
            "ys": np.float32(0.25),
            "yz": np.uint8(128),
            "b": np.ones(4, np.int32),
        },
        types={"x": "UINT8", "y": "UINT8"},
    )


def test_operators_that_are_integer_by_name() -> None:
    contents = read(quantized_convolution())
    (conv,) = contents.operators
    assert (conv.arithmetic, conv.weight_type, conv.weight_scales) == ("quantized", "int8", 4)
    assert (conv.macs, conv.parameters, conv.weight_bytes) == (36 * 4 * 27, 112, 108 + 16)
    (taken,), (given,) = contents.inputs, contents.outputs
    assert (taken.scale, taken.zero_point) == (0.5, 3)
    assert (given.scale, given.zero_point) == (0.25, 128)
    assert contents.peak_activation_bytes == 3 * 64 + 4 * 36


def test_dynamic_quantization_by_integer_operators() -> None:
    contents = contents_of(
        [
            node("DynamicQuantizeLinear", "x", "q s z"),
            node("MatMulInteger", "q w z", "i"),
            node("Cast", "i", "f", to=1),
            node("Mul", "f s", "y"),
        ],
        {"x": [1, 20]},
        {"y": [1, 10]},
        {"w": np.ones((20, 10), np.int8)},
    )
    kinds = {each.type: each.arithmetic for each in contents.operators}
    assert kinds == {
        "DynamicQuantizeLinear": "conversion",
        "MatMulInteger": "quantized",
        "Cast": "float",
        "Mul": "float",
    }
    assert (contents.macs, contents.parameters) == (200, 200)


def between_conversions(*, answer: str) -> Any:
    """Return x -> Q -> DQ -> Conv -> Relu -> (Q -> DQ ->) MaxPool -> y."""
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "w s wz", "dw"),
        node("Conv", "d dw", "c"),
        node("Relu", "c", "r"),
        node("QuantizeLinear", "r s z", "rq"),
        node("DequantizeLinear", "rq s z", "rd"),
        node("MaxPool", f"{answer}", "y", kernel_shape=[2, 2]),
    ]
    return onnx_model(
        nodes,
        {"x": [1, 3, 8, 8]},
        {"y": [1, 4, 5, 5]},
        {
            "s": np.float32(0.1),
            "z": np.uint8(0),
            "wz": np.int8(0),
            "w": np.ones((4, 3, 3, 3), np.int8),
        },
    )


def test_operators_between_conversions_are_told_from_those_left_in_float() -> None:
    contents = read(between_conversions(answer="rd"))
    kinds = {each.type: each.arithmetic for each in contents.operators}
    assert kinds["Conv"] == kinds["Relu"] == "quantized"
    assert kinds["MaxPool"] == "float"
    conv = next(each for each in contents.operators if each.type == "Conv")
    assert (conv.weight_type, conv.weight_scales, conv.activation_type) == ("int8", 1, "uint8")


def alone_between_conversions(kind: str, taken: str, **attributes: Any) -> Any:
    """Return x -> DQ -> the operator -> Q -> y, with two more uint8 channels of ones: ``other``."""
    nodes = [
        node("DequantizeLinear", "x s z", "d"),
        node("DequantizeLinear", "o s z", "other"),
        node(kind, f"d {taken}", "r", **attributes),
        node("QuantizeLinear", "r s z", "y"),
    ]
    for each in nodes:
        each.name = each.output[0]
    ones = np.ones(4, np.float32)
    constants = {"o": np.full((1, 4, 1, 1), 200, np.uint8), "s": np.float32(0.1), "a": ones}
    return onnx_model(
        nodes if "other" in taken else [nodes[0], *nodes[2:]],
        {"x": [1, 4, 8, 8]},
        {"y": [1, 4, None, None]},
        {**constants, "z": np.uint8(128), "axes": np.array([2, 3])},
        types={"x": "UINT8", "y": "UINT8"},
        ir_version=9,
    )


@pytest.mark.parametrize(
    ("kind", "taken", "attributes"),
    [
        ("BatchNormalization", "a a a a", {}),
        ("InstanceNormalization", "a a", {}),
        ("Tanh", "", {}),
        ("Sub", "other", {}),
        ("ReduceMean", "", {"axes": [2, 3]}),
        ("Sigmoid", "", {}),
        ("Add", "other", {}),
        ("AveragePool", "", {"kernel_shape": [2, 2]}),
        ("MaxPool", "", {"kernel_shape": [2, 2]}),
    ],
)
def test_an_operator_between_conversions_is_quantized_where_its_runtime_has_integers_for_it(
    kind: str, taken: str, attributes: dict[str, Any], tmp_path: Path
) -> None:
    """A normalization between conversions was called quantized, and runs in float."""
    import onnx as library
    import onnxruntime

    model = alone_between_conversions(kind, taken, **attributes)
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    is_run_in_float = any(
        each.op_type == "QuantizeLinear" for each in library.load(tmp_path / "run.onnx").graph.node
    )
    (found,) = (each for each in read(model).operators if each.type == kind)
    assert found.arithmetic == ("float" if is_run_in_float else "quantized")


def test_a_convolution_whose_answer_is_also_used_as_float_is_not_quantized() -> None:
    contents = read(between_conversions(answer="r"))
    kinds = {each.type: each.arithmetic for each in contents.operators}
    assert (kinds["Conv"], kinds["Relu"]) == ("weights only", "float")


def test_graphs_within_operators_and_functions_are_said() -> None:
    from onnx import TensorProto, helper

    def branch(name: str) -> Any:
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, [1])
        constant = helper.make_tensor("v", TensorProto.FLOAT, [1], [1.0])
        return helper.make_graph([helper.make_node("Constant", [], [name], value=constant)],
                                 name, [], [value])  # fmt: skip

    own = helper.make_function(
        "own", "Twice", ["a"], ["b"], [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )  # fmt: skip
    contents = contents_of(
        [
            node("If", "c", "i", then_branch=branch("t"), else_branch=branch("e")),
            node("Twice", "i", "y", domain="own"),
        ],
        {"c": []},
        {"y": [1]},
        types={"c": "BOOL"},
        functions=[own],
        opsets={"": 17, "own": 1},
    )
    notes = " ".join(contents.notes)
    assert "graphs within operators are not followed: If" in notes
    assert "functions of its own, which are not followed: Twice" in notes
    assert [each.macs for each in contents.operators] == [None, None]
    assert [each.parameters for each in contents.operators] == [None, None]
    assert (contents.macs, contents.parameters) == (None, None)
    assert [each.type for each in contents.operators] == ["If", "own.Twice"]


@pytest.mark.parametrize("location", ["../weights.bin", "/etc/passwd", "a/../../b", ""])
def test_weights_outside_of_the_folder_are_refused(location: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="outside of its folder"):
        read(with_external_weights(location), str(tmp_path / "model.onnx"))


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    (tmp_path / "secret.bin").write_bytes(b"secret")
    (tmp_path / "inner" / "w.bin").symlink_to("../secret.bin")
    with pytest.raises(InputError, match="outside of its folder"):
        read(with_external_weights("w.bin"), str(tmp_path / "inner" / "model.onnx"))


def test_weights_beside_the_model_are_counted_and_said(tmp_path: Path) -> None:
    contents = read(with_external_weights("w.bin"), str(tmp_path / "model.onnx"))
    assert (contents.macs, contents.parameters) == (200, 200)
    assert any("w.bin, and it is not there" in note for note in contents.notes)


def with_external_weights(location: str) -> Any:
    from onnx import TensorProto

    model = onnx_model([node("MatMul", "x w", "y")], {"x": [1, 20]}, {"y": [1, 10]})
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[20, 10])
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.append(onnx_entry("location", location))
    model.graph.initializer.append(tensor)
    return model


def onnx_entry(key: str, value: str) -> Any:
    from onnx import StringStringEntryProto

    return StringStringEntryProto(key=key, value=value)


def test_weights_that_are_shorter_than_their_shape_are_damage() -> None:
    model = onnx_model(
        [node("MatMul", "x w", "y")], {"x": [1, 20]}, {"y": [1, 10]}, {"w": normal(20, 10)}
    )
    model.graph.initializer[0].raw_data = b"1234"
    with pytest.raises(InputError, match='"w" holds 4 bytes, its shape needs 800'):
        read(model)


def test_a_scale_without_a_value_is_damage() -> None:
    model = quantized_convolution()
    next(each for each in model.graph.initializer if each.name == "xs").ClearField("raw_data")
    with pytest.raises(InputError, match="damaged ONNX file"):
        read(model)


def test_a_tensor_with_two_producers_is_damage() -> None:
    model = onnx_model(
        [node("Relu", "x", "y"), node("Neg", "x", "y")], {"x": [1, 20]}, {"y": [1, 20]}
    )
    with pytest.raises(InputError, match="Output 'y' is redeclared"):
        read(model)


def test_sparse_constants_are_counted() -> None:
    from onnx import TensorProto, helper

    values = helper.make_tensor("w", TensorProto.FLOAT, [2], [1.0, 2.0])
    places = helper.make_tensor("places", TensorProto.INT64, [2], [3, 5])
    sparse = helper.make_sparse_tensor(values, places, [20, 10])
    contents = contents_of(
        [
            helper.make_node("Constant", [], ["w"], sparse_value=sparse),
            node("MatMul", "x w", "y"),
        ],
        {"x": [1, 20]},
        {"y": [1, 10]},
    )
    (product,) = contents.operators
    assert (product.macs, product.parameters, product.weight_bytes) == (200, 200, 8)


def test_maps_are_no_damage() -> None:
    """Classifiers of scikit-learn give their probabilities as a sequence of maps."""
    from onnx import TensorProto, helper

    model = onnx_model([node("Relu", "x", "y")], {"x": [1, 4]}, {"y": [1, 4]}, {})
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, [])
    maps = helper.make_sequence_type_proto(helper.make_map_type_proto(TensorProto.INT64, tensor))
    model.graph.output.append(helper.make_value_info("probabilities", maps))
    with pytest.raises(InputError, match=r"no tensors, such as maps.*zipmap=False") as caught:
        read(model)
    assert "damaged" not in str(caught.value)
