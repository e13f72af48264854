"""TFLite files as other tools write them: real files, edited by the schema."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from foreign_models import edited_tflite

from edgecv.analysis.inspection.text import shape_text
from edgecv.core.errors import InputError
from edgecv.formats.contents import Contents
from edgecv.formats.tflite import inspect as tflite

Edit = Callable[[Any, Any], None]


@pytest.fixture(scope="module")
def read(exported) -> Callable[..., Contents]:
    """Return a function that edits an exported file and reads it."""

    def edit_and_read(edit: Edit, name: str = "float32.tflite") -> Contents:
        content = exported("modern", name).read_bytes()
        return tflite.read(edited_tflite(content, edit), "foreign.tflite")

    return edit_and_read


def test_a_batch_that_is_left_open(read) -> None:
    def edit(model: Any, schema: Any) -> None:
        for tensor in model.subgraphs[0].tensors:
            if len(tensor.shape) == 4 and not model.buffers[tensor.buffer].data is not None:
                tensor.shapeSignature = np.array([-1, *tensor.shape[1:]], np.int32)

    contents = read(edit)
    assert shape_text(contents.inputs[0]) == "N x 16 x 16 x 3"
    assert contents.inputs[0].shape == (-1, 16, 16, 3)
    assert contents.macs == 958_560
    assert contents.peak_activation_bytes == 49_152


def test_an_open_height_leaves_costs_unknown(read) -> None:
    def edit(model: Any, schema: Any) -> None:
        for tensor in model.subgraphs[0].tensors:
            if list(tensor.shape[:3]) == [1, 16, 16]:
                tensor.shapeSignature = np.array([1, -1, 16, tensor.shape[3]], np.int32)

    contents = read(edit)
    unknown = [each for each in contents.operators if each.macs is None]
    assert len(unknown) == 3
    assert (contents.macs, contents.known_macs) == (None, 221_184 + 96)
    assert contents.peak_activation_bytes is None


def test_custom_operators_are_named(read) -> None:
    def edit(model: Any, schema: Any) -> None:
        last = model.subgraphs[0].operators[-1]
        code = schema.OperatorCodeT()
        code.builtinCode = schema.BuiltinOperator.CUSTOM
        code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM
        code.customCode = b"TheirSoftmax"
        model.operatorCodes.append(code)
        last.opcodeIndex = len(model.operatorCodes) - 1

    contents = read(edit)
    last = contents.operators[-1]
    assert (last.type, last.macs) == ("CUSTOM(TheirSoftmax)", None)
    assert any("must be given: TheirSoftmax" in note for note in contents.notes)


def test_more_subgraphs_and_control_flow_are_said(read) -> None:
    def edit(model: Any, schema: Any) -> None:
        model.subgraphs.append(model.subgraphs[0])
        code = schema.OperatorCodeT()
        code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.WHILE
        model.operatorCodes.append(code)
        model.subgraphs[0].operators[-1].opcodeIndex = len(model.operatorCodes) - 1

    contents = read(edit)
    assert "it has 2 subgraphs; only the first is shown" in contents.notes
    assert "other subgraphs are run, and not followed: WHILE" in contents.notes
    assert contents.operators[-1].macs is None
    assert contents.operators[-1].parameters is None, "they may be in the other subgraph"
    assert (contents.parameters, contents.macs) == (None, None)


def test_constants_that_several_operators_share_are_counted_once(read) -> None:
    before = read(lambda model, schema: None)

    def edit(model: Any, schema: Any) -> None:
        biases = [
            model.subgraphs[0].tensors[each.inputs[2]]
            for each in model.subgraphs[0].operators
            if kind_of(model, each) == schema.BuiltinOperator.CONV_2D
        ]
        longest = max(biases, key=lambda each: each.shape[0])
        for each in biases:
            each.buffer = longest.buffer

    after = read(edit)
    convolutions = [e for e in after.operators if e.type == "CONV_2D"]
    spared = sum(e.output_shape[-1] for e in convolutions[1:])
    assert spared > 0
    assert after.parameters == before.parameters - spared
    assert [e.macs for e in after.operators] == [e.macs for e in before.operators]


def test_sparse_and_four_bit_weights(read) -> None:
    def edit(model: Any, schema: Any) -> None:
        graph = model.subgraphs[0]
        conv, dense = conv_and_dense(model, schema)
        kernel = graph.tensors[conv.inputs[1]]
        model.buffers[kernel.buffer].data = np.zeros(40, np.uint8)
        kernel.sparsity = schema.SparsityParametersT()
        four_bits = graph.tensors[dense.inputs[1]]
        four_bits.type = schema.TensorType.INT4
        model.buffers[four_bits.buffer].data = np.zeros(48, np.uint8)

    contents = read(edit, "int8.tflite")
    dense = next(each for each in contents.operators if each.type == "FULLY_CONNECTED")
    conv = next(each for each in contents.operators if each.type == "CONV_2D")
    assert (dense.weight_type, dense.weight_bytes, dense.parameters) == ("int4", 48 + 16, 100)
    assert (conv.weight_bytes, conv.parameters) == (40 + 64, 448)
    assert any("stored sparse" in note for note in contents.notes)


def conv_and_dense(model: Any, schema: Any) -> list[Any]:
    """Return the first convolution and the first dense layer."""
    operators, kinds = model.subgraphs[0].operators, schema.BuiltinOperator
    return [
        next(each for each in operators if kind_of(model, each) == kind)
        for kind in (kinds.CONV_2D, kinds.FULLY_CONNECTED)
    ]


def kind_of(model: Any, operator: Any) -> int:
    code = model.operatorCodes[operator.opcodeIndex]
    return max(int(code.builtinCode), int(code.deprecatedBuiltinCode))


def test_a_scale_that_is_no_number_is_said_and_not_shown(read) -> None:
    def edit(model: Any, schema: Any) -> None:
        graph = model.subgraphs[0]
        graph.tensors[graph.outputs[0]].quantization.scale = np.array([np.nan], np.float32)

    contents = read(edit, "int8.tflite")
    assert contents.outputs[0].scale is None
    assert any("not numbers" in note for note in contents.notes)


def test_transposed_and_batched_products(read) -> None:
    def edit(model: Any, schema: Any) -> None:
        conv, dense = conv_and_dense(model, schema)
        for operator, kind in (
            (conv, schema.BuiltinOperator.TRANSPOSE_CONV),
            (dense, schema.BuiltinOperator.BATCH_MATMUL),
        ):
            code = schema.OperatorCodeT()
            code.builtinCode = code.deprecatedBuiltinCode = kind
            model.operatorCodes.append(code)
            operator.opcodeIndex = len(model.operatorCodes) - 1
            operator.builtinOptions = None
            operator.builtinOptionsType = 0
        entering, kernel, bias = conv.inputs
        conv.inputs = np.array([bias, kernel, entering], np.int32)

    contents = read(edit)
    macs = {each.type: each.macs for each in contents.operators}
    assert macs["TRANSPOSE_CONV"] == 16 * 16 * 16 * 9 * 3
    assert macs["BATCH_MATMUL"] == 4 * 24


@pytest.mark.parametrize("field", ["inputs", "outputs"])
def test_a_tensor_that_is_not_there_is_damage(read, field: str) -> None:
    def edit(model: Any, schema: Any) -> None:
        setattr(model.subgraphs[0].operators[0], field, np.array([999], np.int32))

    with pytest.raises(InputError, match="names tensor 999"):
        read(edit)


def test_weights_that_are_shorter_than_their_shape_are_damage(read) -> None:
    def edit(model: Any, schema: Any) -> None:
        graph = model.subgraphs[0]
        conv = next(e for e in graph.operators if kind_of(model, e) == 3)
        graph.tensors[conv.inputs[1]].shape = np.array([16, 300, 300, 3], np.int32)

    with pytest.raises(InputError, match="its shape needs"):
        read(edit)


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_that_was_cut_short_is_damage(exported, part: float) -> None:
    content = exported("modern", "float32.tflite").read_bytes()
    with pytest.raises(InputError, match="damaged TFLite"):
        tflite.read(content[: int(len(content) * part)], "cut.tflite")
