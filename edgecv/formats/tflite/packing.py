"""Lossless packing of TFLite files: the same network, and the same answers, from fewer bytes.

Equal parts stand once, and no gap is left; names are those of layers; what the converter notes of
itself is left out. Tensors, operators and their options keep their order and their values.
"""

import io
import zipfile
import zlib

import numpy as np

from edgecv.formats.packing import Packed, UnknownStructure
from edgecv.formats.tflite.layout import written
from edgecv.formats.tflite.packing_proof import difference
from edgecv.formats.tflite.tree import Leaf, TableNode, TreeReader, text

NOTES_OF_CONVERTERS = ("min_runtime_version", "CONVERSION_METADATA")
"""Metadata that no runtime needs. Other metadata are somebody's own."""
WITHOUT_NUMBERS = ("TFLITE_METADATA",)
"""Metadata that do not refer to buffers: their numbers may change."""
DESCRIPTIONS = ("MLIR Converted.", "TOCO Converted.")
LARGEST_ATTACHMENT = 2**26
"""Bytes of all the files in the archive behind a model, unpacked."""


def packed(content: bytes, *, keep_names: bool = False) -> Packed:
    """Return a packed file. Raises UnknownStructure for one that must stay as it is."""
    reader = TreeReader(content)
    model = reader.model()
    # A file may share a table that is changed here.
    for name in ("Subgraphs", "Metadata"):
        model.values[name] = [each.copy() for each in model.tables(name)]
    for graph in model.tables("Subgraphs"):
        graph.values["Tensors"] = [each.copy() for each in graph.tables("Tensors")]
    _check(model)
    result = Packed()
    _drop_notes(model, result)
    _drop_unused(model)
    for graph in model.tables("Subgraphs"):
        before = [each.text("Name") or "" for each in graph.tables("Tensors")]
        if not keep_names:
            _shorten(graph)
        after = [each.text("Name") or "" for each in graph.tables("Tensors")]
        result.names.append(dict(zip(after, before, strict=True)))
    result.content = _with_attachments(written(model), content, reader.end)
    if changed := difference(content, result.content):
        raise UnknownStructure(f"would be changed in {changed}: please report it")
    return result


def _check(model: TableNode) -> None:
    """Raise UnknownStructure if weights or options lie behind the tables."""
    for buffer in model.tables("Buffers"):
        if buffer.number("Offset"):
            raise UnknownStructure("keeps weights behind its tables")
    for graph in model.tables("Subgraphs"):
        if any(each.number("LargeCustomOptionsOffset") for each in graph.tables("Operators")):
            raise UnknownStructure("keeps options of operators behind its tables")


def _drop_notes(model: TableNode, result: Packed) -> None:
    """Leave out what a converter has written about itself."""
    if model.text("Description") in DESCRIPTIONS:
        result.dropped.append(f'the description "{model.text("Description")}"')
        del model.values["Description"]
    kept = []
    for each in model.tables("Metadata"):
        if each.text("Name") in NOTES_OF_CONVERTERS:
            result.dropped.append(f'the metadata "{each.text("Name")}"')
        else:
            kept.append(each)
    model.values["Metadata"] = kept or None


def _drop_unused(model: TableNode) -> None:
    """Leave out buffers without a tensor, and quantizations without a value."""
    tensors = [each for graph in model.tables("Subgraphs") for each in graph.tables("Tensors")]
    for tensor in tensors:
        quantization = tensor.values.get("Quantization")
        if quantization is not None and all(
            isinstance(each, Leaf) and not each.values for each in quantization.values.values()
        ):
            del tensor.values["Quantization"]
    metadata = model.tables("Metadata")
    if model.values.get("MetadataBuffer") or any(
        each.text("Name") not in WITHOUT_NUMBERS for each in metadata
    ):
        return
    buffers = model.tables("Buffers")
    kept: dict[int, int] = {}
    for user in [*tensors, *metadata]:
        number = user.number("Buffer")
        if number >= len(buffers):
            raise UnknownStructure(f"refers to buffer {number}, which is not there")
        data = buffers[number].values.get("Data")
        is_empty = data is None or not data.values
        user.values["Buffer"] = 0 if is_empty else kept.setdefault(number, len(kept) + 1)
    model.values["Buffers"] = [TableNode("Buffer"), *(buffers[number] for number in kept)]


def _shorten(graph: TableNode) -> None:
    """Name what is computed by layer and operator, and everything else but the ends by number."""
    graph.values.pop("Name", None)
    tensors = graph.tables("Tensors")
    ends = {*_numbers(graph, "Inputs"), *_numbers(graph, "Outputs")}
    operators = graph.tables("Operators")
    computed = {number for each in operators for number in _numbers(each, "Outputs")} - ends
    names = [(each.text("Name") or "").split(";")[0] for each in tensors]
    taken = {tensors[number].text("Name") for number in ends if 0 <= number < len(tensors)}
    for number, tensor in enumerate(tensors):
        if number in ends:
            continue
        parts = [each for each in names[number].split("/") if each]
        name = "/".join(parts[-2:]) if parts and number in computed else str(number)
        while name in taken:
            name += f":{number}"
        taken.add(name)
        tensor.values["Name"] = text(name)


def _numbers(table: TableNode, name: str) -> list[int]:
    """Return the numbers of tensors in a vector."""
    leaf = table.values.get(name)
    return [] if leaf is None else np.frombuffer(leaf.values, "<i4").tolist()


def _with_attachments(content: bytes, source: bytes, end: int) -> bytes:
    """Return the file with the archive of files that stands behind the tables of another."""
    if not source[end:].strip(b"\0"):
        return content
    try:
        archive = zipfile.ZipFile(io.BytesIO(source))
        entries = archive.infolist()
        if sum(each.file_size for each in entries) > LARGEST_ATTACHMENT:
            raise UnknownStructure("has large files behind its tables")
        files = [(each, archive.read(each)) for each in entries]
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error, EOFError):
        raise UnknownStructure("has something behind its tables that is no archive") from None
    whole = io.BytesIO(content)
    with zipfile.ZipFile(whole, "a") as archive:
        for entry, file in files:
            archive.writestr(entry, file)
    return whole.getvalue()
