"""Packed files hold the same network, and give the same bytes in every runtime."""

import io
import random
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models

from edgecv.core.registry import ARCHITECTURES, EXPORTERS
from edgecv.evaluation.tasks.classification.training import ClassHead
from edgecv.formats.onnx.packing import packed as packed_onnx
from edgecv.formats.packing import UnknownStructure
from edgecv.formats.tflite.interpreter import Kernels, new_interpreter
from edgecv.formats.tflite.layout import written
from edgecv.formats.tflite.packing import packed
from edgecv.formats.tflite.packing_proof import difference
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.formats.tflite.tree import TableNode, TreeReader, text, vector

FORMATS = [("plain", "tflite", "int8"), ("modern", "tflite", "float32"), ("modern", "onnx", "int8")]
Converted = Callable[[str, str, str], tuple[bytes, bytes]]


@pytest.fixture(scope="module")
def converted(network: Any, tmp_path_factory: pytest.TempPathFactory) -> Converted:
    """Return a function: network, format, precision -> the file as converted, and packed."""
    folder = tmp_path_factory.mktemp("packed")

    def make(name: str, file_format: str, precision: str) -> tuple[bytes, bytes]:
        path = folder / f"{name}.{file_format}"
        exporter = EXPORTERS.get(file_format, "test")(precision=precision, pack="off")
        artifact = exporter.export(network(name), tiny_models.images(40), path)
        assert not [note for note in artifact.notes if "pack" in note]
        content = path.read_bytes()
        return content, exporter.packed(content, keep_names=False).content

    return make


def answers(content: bytes, kernels: Kernels) -> list[bytes]:
    """Return the bytes that LiteRT gives for some images."""
    interpreter = new_interpreter(content, 1, kernels)
    interpreter.allocate_tensors()
    (taken,), (given,) = interpreter.get_input_details(), interpreter.get_output_details()
    found = []
    for image in tiny_models.images(50, seed=3):
        interpreter.set_tensor(taken["index"], image[np.newaxis].astype(taken["dtype"]))
        interpreter.invoke()
        found.append(interpreter.get_tensor(given["index"]).tobytes())
    return found


@pytest.mark.parametrize(("name", "file_format", "precision"), FORMATS)
def test_an_export_is_smaller_and_packed_once_and_for_all(
    name: str, file_format: str, precision: str, converted: Converted
) -> None:
    before, after = converted(name, file_format, precision)
    assert len(after) < len(before) - 500
    again = {"tflite": packed, "onnx": packed_onnx}[file_format](after)
    assert again.content == after
    if file_format == "onnx":
        import onnxruntime

        images = {"image": tiny_models.images(50, seed=3)}
        found = [onnxruntime.InferenceSession(each).run(None, images) for each in (before, after)]
        assert found[0][0].tobytes() == found[1][0].tobytes()
        return
    assert difference(before, after) is None
    for kernels in ("xnnpack", "builtin"):
        assert answers(before, kernels) == answers(after, kernels)


def test_tflite_micro_gives_the_same_bytes(converted: Converted) -> None:
    runtime = pytest.importorskip("tflite_micro.python.tflite_micro").runtime
    found = []
    for content in converted("plain", "tflite", "int8"):
        interpreter = runtime.Interpreter.from_bytes(content)
        found.append([])
        for image in tiny_models.images(50, seed=3):
            kind = interpreter.get_input_details(0)["dtype"]
            interpreter.set_input(image[np.newaxis].astype(kind), 0)
            interpreter.invoke()
            found[-1].append(interpreter.get_output(0).tobytes())
    assert found[0] == found[1]
    assert len(set(found[0])) > 10


def test_names_are_those_of_layers_and_ends_keep_theirs(converted: Converted) -> None:
    before, _ = converted("plain", "tflite", "int8")
    found = packed(before)
    tables, old = TFLiteTables(found.content, "here"), TFLiteTables(before, "here")
    assert [each.name for each in tables.inputs] == [each.name for each in old.inputs]
    assert [each.name for each in tables.outputs] == [each.name for each in old.outputs]
    names = [each.name for each in tables.tensors]
    assert "conv_1/Relu" in names
    assert len(set(names)) == len(names)
    assert [found.names[0][each] for each in names] == [each.name for each in old.tensors]
    kept = TFLiteTables(packed(before, keep_names=True).content, "here")
    assert [each.name for each in kept.tensors] == [each.name for each in old.tensors]


def small(**fields: Any) -> TableNode:
    """Return a model with two subgraphs that share tensors' names, and all that is rare in one."""
    floats = vector(np.arange(6, dtype="<f4").tobytes(), 1)

    def tensor(name: str, buffer: int = 0, **more: Any) -> TableNode:
        shape = vector(np.array([2, 3], "<i4").tobytes(), 4)
        return TableNode("Tensor", {"Shape": shape, "Buffer": buffer, "Name": text(name), **more})

    sparsity = TableNode(
        "SparsityParameters",
        {
            "TraversalOrder": vector(np.array([0, 1], "<i4").tobytes(), 4),
            "DimMetadata": [
                TableNode("DimensionMetadata", {"DenseSize": 2}),
                TableNode(
                    "DimensionMetadata",
                    {
                        "Format": 1,
                        "ArraySegmentsType": 3,
                        "ArraySegments": TableNode("Uint8Vector", {"Values": vector(b"\0\1\2", 1)}),
                        "ArrayIndicesType": 3,
                        "ArrayIndices": TableNode("Uint8Vector", {"Values": vector(b"\0\1", 1)}),
                    },
                ),
            ],
        },
    )
    numbers = vector(np.array([0], "<i4").tobytes(), 4)
    custom = TableNode(
        "Operator",
        {
            "Inputs": vector(np.array([0, 1, -1], "<i4").tobytes(), 4),
            "Outputs": vector(np.array([4], "<i4").tobytes(), 4),
            "CustomOptions": vector(b"somebody's own", 1),
            "MutatingVariableInputs": vector(b"\0\1", 1),
        },
    )
    graph = TableNode(
        "SubGraph",
        {
            "Tensors": [
                tensor("x"),
                tensor("model/a/weights", 2),
                tensor("model/a/more", 3),
                tensor("state", 0, IsVariable=True, Sparsity=sparsity),
                tensor("model/a/Op;model/b"),
            ],
            "Inputs": numbers,
            "Outputs": vector(np.array([4], "<i4").tobytes(), 4),
            "Operators": [custom],
            "Name": text("main"),
        },
    )
    ends = [TableNode("TensorMap", {"Name": text("x")})]
    signatures = [
        TableNode(
            "SignatureDef", {"Inputs": ends, "SignatureKey": text(key), "SubgraphIndex": number}
        )
        for number, key in enumerate(("first", "second"))
    ]
    metadata = TableNode("Metadata", {"Name": text("min_runtime_version"), "Buffer": 4})
    return TableNode(
        "Model",
        {
            "Version": 3,
            "OperatorCodes": [
                TableNode("OperatorCode", {"BuiltinCode": 32, "CustomCode": text("Own")})
            ],
            "Subgraphs": [graph, graph.copy()],
            "Description": text("MLIR Converted."),
            "Buffers": [
                TableNode("Buffer"),
                TableNode("Buffer"),
                TableNode("Buffer", {"Data": floats}),
                TableNode("Buffer", {"Data": floats}),
                TableNode("Buffer", {"Data": vector(b"1.5.0", 1)}),
            ],
            "Metadata": [metadata],
            "SignatureDefs": signatures,
            **fields,
        },
    )


def test_subgraphs_signatures_sparse_weights_variables_and_custom_operators_stay() -> None:
    before = written(small())
    found = packed(before)
    assert difference(before, found.content) is None
    assert packed(found.content).content == found.content
    assert b"somebody's own" in found.content
    model = TreeReader(found.content).model()
    assert [each.text("SignatureKey") for each in model.tables("SignatureDefs")] == [
        "first",
        "second",
    ]
    # Two weights that are equal stand once, and are two: costs count both.
    data = [each.values["Data"] for each in model.tables("Buffers")[1:]]
    assert len(data) == 2
    assert data[0] is data[1]
    assert found.dropped == [
        'the description "MLIR Converted."',
        'the metadata "min_runtime_version"',
    ]


def test_what_is_somebodys_own_stays_and_buffers_keep_their_numbers() -> None:
    own = TableNode("Metadata", {"Name": text("COMPRESSION_METADATA"), "Buffer": 4})
    before = written(small(Metadata=[own], Description=text("for the camera")))
    found = packed(before)
    assert found.dropped == []
    model = TreeReader(found.content).model()
    assert model.text("Description") == "for the camera"
    assert len(model.tables("Buffers")) == 5
    assert model.tables("Metadata")[0].number("Buffer") == 4
    tensors = model.tables("Subgraphs")[0].tables("Tensors")
    assert [each.number("Buffer") for each in tensors] == [0, 2, 3, 0, 0]


def test_files_of_tflite_metadata_stay_behind_the_model() -> None:
    own = TableNode("Metadata", {"Name": text("TFLITE_METADATA"), "Buffer": 4})
    before = io.BytesIO(written(small(Metadata=[own])))
    with zipfile.ZipFile(before, "a") as archive:
        archive.writestr("labels.txt", "cat\ndog\n")
    found = packed(before.getvalue())
    assert packed(found.content).content == found.content
    with zipfile.ZipFile(io.BytesIO(found.content)) as archive:
        assert archive.read("labels.txt") == b"cat\ndog\n"
    model = TreeReader(found.content).model()
    number = model.tables("Metadata")[0].number("Buffer")
    assert model.tables("Buffers")[number].values["Data"].values == b"1.5.0"


def unknown_field() -> bytes:
    """Return a file with a field of the model that the schema does not know."""
    content = bytearray(
        written(small(ExternalBuffers=[TableNode("ExternalBuffer", {"Length": 1})]))
    )
    (root,) = struct.unpack_from("<I", content)
    place = root - struct.unpack_from("<i", content, root)[0]
    length, size = struct.unpack_from("<HH", content, place)
    slots = struct.unpack_from(f"<{length // 2 - 2}H", content, place + 4)
    content += bytes(len(content) % 2)
    struct.pack_into("<i", content, root, root - len(content))
    slots += (*[0] * (10 - len(slots)), slots[1])
    return bytes(content + struct.pack(f"<HH{len(slots)}H", 4 + 2 * len(slots), size, *slots))


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (
            written(small(Buffers=[TableNode("Buffer", {"Offset": 9000, "Size": 4})] * 5)),
            "behind its",
        ),
        (unknown_field(), "field 10 of Model"),
        (written(small()) + b"something else", "no archive"),
        (written(small(Buffers=[TableNode("Buffer")])), "buffer 2, which is not there"),
        (written(small())[:300], "beyond its end"),
        (b"\x08\0\0\0TFL4" + bytes(40), "no TFLite file"),
    ],
)
def test_a_file_that_is_not_known_throughout_is_left(content: bytes, found: str) -> None:
    with pytest.raises(UnknownStructure, match=found):
        packed(content)


def test_damage_is_refused_or_changes_nothing() -> None:
    content, generator = written(small()), random.Random(0)
    for _ in range(300):
        edited = bytearray(content)
        for _ in range(generator.choice((1, 2, 5))):
            edited[generator.randrange(len(edited))] = generator.choice((0, 1, 255))
        try:
            found = packed(bytes(edited))
        except UnknownStructure:
            continue
        assert difference(bytes(edited), found.content) is None


def test_the_proof_sees_a_changed_value() -> None:
    model = small()
    before = written(model)
    graph = model.tables("Subgraphs")[0]
    graph.tables("Tensors")[1].values["Buffer"] = 0
    assert difference(before, written(model)) == "the model, subgraphs[0], tensors[1], buffer"


def test_aligned_vectors_leave_no_gap_that_a_small_part_would_fill() -> None:
    content = packed(written(small())).content
    model = TreeReader(content).model()
    data = model.tables("Buffers")[1].values["Data"].content
    assert (content.index(data) + 4) % 16 == 0
    again = TreeReader(content)
    again.model()
    assert again.end == len(content)


def onnx_model(**changes: Any) -> Any:
    """Return a small ONNX model with everything that packing leaves out."""
    from onnx import TensorProto, helper

    value = helper.make_tensor_value_info
    constants = [
        helper.make_tensor(name, TensorProto.FLOAT, [2], [1.0, 2.0]) for name in ("a/w", "b/w")
    ]
    constants.append(helper.make_tensor("nobody", TensorProto.FLOAT, [1], [0.0]))
    nodes = [
        helper.make_node("Add", ["x", "a/w"], ["/a/Add_output_0"], name="/a/Add", doc_string="d"),
        helper.make_node("Mul", ["/a/Add_output_0", "b/w"], ["y"], name="/b/Mul"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", TensorProto.FLOAT, ["n", 2])],
        [value("y", TensorProto.FLOAT, ["n", 2])],
        initializer=constants,
        value_info=[value("/a/Add_output_0", TensorProto.FLOAT, ["n", 2])],
        doc_string="made in /home/somebody",
    )
    operators = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=operators, ir_version=8)
    helper.set_model_props(model, {"my": "own"})
    return model


def test_an_onnx_file_keeps_its_nodes_and_its_own_metadata() -> None:
    import onnx

    before = onnx_model()
    found = packed_onnx(before.SerializeToString())
    after = onnx.load_from_string(found.content)
    assert [each.op_type for each in after.graph.node] == ["Add", "Mul"]
    assert after.graph.node[0].input[1] == after.graph.node[1].input[1]
    assert len(after.graph.initializer) == 1
    assert after.graph.initializer[0].raw_data == np.array([1, 2], "<f4").tobytes()
    assert not after.graph.doc_string
    assert [each.domain for each in after.opset_import] == [""]
    assert [(each.key, each.value) for each in after.metadata_props] == [("my", "own")]
    assert [after.graph.input[0].name, after.graph.output[0].name] == ["x", "y"]
    assert packed_onnx(found.content).content == found.content
    kept = onnx.load_from_string(packed_onnx(before.SerializeToString(), keep_names=True).content)
    assert kept.graph.node[0].output[0] == "/a/Add_output_0"


def test_the_other_name_of_onnx_own_operator_set_stays() -> None:
    import onnx

    before = onnx_model()
    before.opset_import[0].domain = "ai.onnx"
    after = onnx.load_from_string(packed_onnx(before.SerializeToString()).content)
    assert [(each.domain, each.version) for each in after.opset_import] == [("ai.onnx", 17)]


def test_an_onnx_file_whose_names_are_used_elsewhere_is_left() -> None:
    from onnx import helper

    model = onnx_model()
    model.graph.node.append(helper.make_node("If", ["x"], ["z"], then_branch=model.graph))
    with pytest.raises(UnknownStructure, match="branches or loops"):
        packed_onnx(model.SerializeToString())
    stored = onnx_model()
    stored.graph.initializer[0].data_location = 1
    with pytest.raises(UnknownStructure, match="in another file"):
        packed_onnx(stored.SerializeToString())
    with pytest.raises(UnknownStructure, match="cannot be read"):
        packed_onnx(b"\xff\xff\xff")


def test_a_file_that_is_not_known_is_exported_as_it_is(
    network: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from edgecv.formats.tflite import exporter

    def refuse(content: bytes, *, keep_names: bool) -> Any:
        raise UnknownStructure("has a field 11 of Tensor that is not known")

    monkeypatch.setattr(exporter, "packed", refuse)
    path = tmp_path / "a.tflite"
    made = exporter.TFLite(precision="float32").export(
        network("plain"), tiny_models.images(0), path
    )
    assert made.notes[-1] == "not packed: it has a field 11 of Tensor that is not known"
    assert made.bytes == path.stat().st_size


@pytest.mark.slow
@pytest.mark.parametrize(("name", "least"), [("cifar_cnn", 4000), ("ds_cnn", 12_580)])
def test_what_packing_saves(name: str, least: int, tmp_path: Path) -> None:
    model = ARCHITECTURES.get(name, "test")().build((32, 32, 3), ClassHead(10))
    generator = np.random.default_rng(0)
    for each in model.trainable_variables:  # Biases of 0 would be left out by the converter.
        each.assign(generator.normal(0, 0.1, each.shape))
    exporter = EXPORTERS.get("tflite", "test")(precision="int8", pack="off")
    images = generator.integers(0, 256, (20, 32, 32, 3), np.uint8)
    exporter.export(model, images, tmp_path / "a.tflite")
    before = (tmp_path / "a.tflite").read_bytes()
    assert len(before) - len(packed(before).content) >= least
