"""Changes of a TFLite file: its tables are read as a tree, changed, and written again."""

import io
import zipfile
import zlib
from collections.abc import Callable

from edgecv.core.errors import StepError
from edgecv.formats.packing import UnknownStructure
from edgecv.formats.tflite.layout import written
from edgecv.formats.tflite.tree import TableNode, TreeReader

LARGEST_ATTACHMENT = 2**26
"""Bytes of all the files in the archive behind a model, unpacked."""


def edited(content: bytes, where: str, edit: Callable[[TableNode], None]) -> bytes:
    """Return a file whose model ``edit`` has changed. A file may share tables: it changes copies.

    Raises StepError for a file that cannot be written again.
    """
    reader = TreeReader(content)
    try:
        model = reader.model()
        check_in_tables(model)
        edit(model)
        return with_attachments(written(model), content, reader.end)
    except UnknownStructure as error:
        raise StepError(where, f"cannot be changed: it {error}") from None


def check_in_tables(model: TableNode) -> None:
    """Raise UnknownStructure if weights or options lie behind the tables."""
    for buffer in model.tables("Buffers"):
        if buffer.number("Offset"):
            raise UnknownStructure("keeps weights behind its tables")
    for graph in model.tables("Subgraphs"):
        if any(each.number("LargeCustomOptionsOffset") for each in graph.tables("Operators")):
            raise UnknownStructure("keeps options of operators behind its tables")


def with_attachments(content: bytes, source: bytes, end: int) -> bytes:
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
