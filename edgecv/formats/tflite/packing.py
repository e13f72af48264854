"""Lossless packing of TFLite files: the same network, and the same answers, from fewer bytes.

Equal parts stand once, and no gap is left; names are those of layers; what the converter notes of
itself is left out. Tensors, operators and their options keep their order and their values.
"""

from edgecv.formats.packing import Packed, UnknownStructure
from edgecv.formats.tflite.edit import check_in_tables, with_attachments
from edgecv.formats.tflite.layout import written
from edgecv.formats.tflite.packing_proof import difference
from edgecv.formats.tflite.tree import Leaf, TableNode, TreeReader, text

NOTES_OF_CONVERTERS = ("min_runtime_version", "CONVERSION_METADATA")
"""Metadata that no runtime needs. Other metadata are somebody's own."""
WITHOUT_NUMBERS = ("TFLITE_METADATA",)
"""Metadata that do not refer to buffers: their numbers may change."""
DESCRIPTIONS = ("MLIR Converted.", "TOCO Converted.")


def packed(content: bytes, *, keep_names: bool = False) -> Packed:
    """Return a packed file. Raises UnknownStructure for one that must stay as it is."""
    reader = TreeReader(content)
    model = reader.model()
    # A file may share a table that is changed here.
    for name in ("Subgraphs", "Metadata"):
        model.values[name] = [each.copy() for each in model.tables(name)]
    for graph in model.tables("Subgraphs"):
        graph.values["Tensors"] = [each.copy() for each in graph.tables("Tensors")]
    check_in_tables(model)
    result = Packed()
    _drop_notes(model, result)
    _drop_unused(model)
    for graph in model.tables("Subgraphs"):
        before = [each.text("Name") or "" for each in graph.tables("Tensors")]
        if not keep_names:
            _shorten(graph)
        after = [each.text("Name") or "" for each in graph.tables("Tensors")]
        result.names.append(dict(zip(after, before, strict=True)))
    result.content = with_attachments(written(model), content, reader.end)
    if changed := difference(content, result.content):
        raise UnknownStructure(f"would be changed in {changed}: please report it")
    return result


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
    ends = {*graph.numbers("Inputs"), *graph.numbers("Outputs")}
    operators = graph.tables("Operators")
    computed = {number for each in operators for number in each.numbers("Outputs")} - ends
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
