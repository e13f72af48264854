"""The parent's side of inspection: detects a file's format, and lets a child process read it.

A model file is untrusted: reading it may crash native code, hang, or use up the memory. That ends
the child and becomes an error of one line.
"""

import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from edgecv.analysis.inspection.image_entry import image_entry
from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.files import open_regular
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.formats.contents import Contents, Inspection
from edgecv.system.isolation.client import ask_once
from edgecv.system.isolation.codec import decode
from edgecv.system.isolation.limits import ProcessLimits
from edgecv.system.isolation.process import ChildProgram
from edgecv.system.isolation.request import Request
from edgecv.system.storage import files_of

PROGRAM = ChildProgram(
    "edgecv.analysis.inspection.child",
    stages=("reading it",),
    remedy="the file is damaged or hostile: do not open it",
)
ACCEPTED = "model files: .keras, .h5, .tflite, .onnx, or a SavedModel folder"
ONNX_FIRST_BYTES = b"\x08\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca"
"""First bytes of the fields of an ONNX model; writers begin with the first, its version."""
GZIP = 31
"""The window size with which zlib writes a gzip file."""
CHUNK_BYTES = 2**20
SECONDS = 10
"""Processor time of a reader, which does not depend on how busy the machine is."""
SECONDS_OF_KERAS = 60
"""The same for Keras, which loads TensorFlow on all cores."""
WAITING = 4
"""Elapsed time that a reader may take, as a multiple of its processor time."""
BYTES_A_SECOND = 50_000_000
LARGEST_LOG_BYTES = 2**26
MEMORY_BYTES = 2**30
MEMORY_A_FILE_BYTE = 8
"""A file is held as bytes and as tables, and serialized again for shape inference."""


def inspect_all(
    paths: Sequence[Path], input_spec: InputSpec = DEFAULT_INPUT
) -> Iterator[tuple[str, Inspection | EdgecvError]]:
    """Inspect files one after the other; an error is the result of its file."""
    for path in paths:
        try:
            yield str(path), inspect(path, input_spec)
        except EdgecvError as error:
            yield str(path), error


def inspect(path: Path, input_spec: InputSpec = DEFAULT_INPUT) -> Inspection:
    """Return the contents of a model file.

    Raises InputError if it is none, is damaged, or contradicts ``input_spec``.
    """
    kind = format_of(path)
    try:
        contents = _contents(path, kind, input_spec)
        image = image_entry(path, contents, input_spec)
        return Inspection(str(path), *_sizes(path), contents, image)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None


def format_of(path: Path) -> str:
    """Return "keras", "h5", "tflite" or "onnx" by the first bytes of a file, or "saved_model"."""
    where = str(path)
    try:
        if (path / "saved_model.pb").is_file():
            return "saved_model"
        if path.is_dir():
            raise InputError(where, "is a folder", accepted=ACCEPTED, remedy=_models_in(path))
        with open_regular(path, accepted=ACCEPTED) as file:
            first = file.read(8)
    except FileNotFoundError:
        raise InputError(where, "there is no such file", accepted=ACCEPTED) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(where, f"cannot be read: {reason}") from None
    if first.startswith(b"PK\x03\x04"):
        return "keras"
    if first == b"\x89HDF\r\n\x1a\n":
        return "h5"
    if first[4:] == b"TFL3":
        return "tflite"
    if first and first[0] in ONNX_FIRST_BYTES:
        return "onnx"
    found = f"begins with {first!r}" if first else "is empty"
    raise InputError(
        where, f"is not a model: it {found}", accepted=ACCEPTED, remedy="give a file of one of them"
    )


def _models_in(folder: Path) -> str:
    suffixes = (".keras", ".h5", ".tflite", ".onnx")
    names = sorted(each.name for each in folder.iterdir() if each.suffix in suffixes)
    return f"give the files in it: {', '.join(names[:8])}" if names else "give a file"


def _contents(path: Path, kind: str, input_spec: InputSpec) -> Contents:
    is_keras = kind in ("keras", "h5", "saved_model")
    size = path.stat().st_size
    seconds = SECONDS_OF_KERAS if is_keras else SECONDS + size // BYTES_A_SECOND
    limits = ProcessLimits(
        MEMORY_BYTES + MEMORY_A_FILE_BYTE * size, file_bytes=LARGEST_LOG_BYTES, cpu_s=seconds
    )
    request = Request(
        kind,
        {"path": os.path.abspath(path), "input_spec": input_spec.model_dump_json()},
        lambda frame: decode(Contents, frame),
        names=[str(path)],
        files=[path],
        silence_s=WAITING * seconds,
    )
    with tempfile.TemporaryDirectory(prefix="edgecv-inspection-") as folder:
        return ask_once(
            PROGRAM,
            "the reader",
            request,
            # TensorFlow maps more memory, and computes on all cores while it is imported.
            ProcessLimits() if is_keras else limits,
            log=Path(folder) / "stderr.txt",
            # Threads of numpy's libraries would need address space and have nothing to do.
            environment={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
        )


def _sizes(path: Path) -> tuple[int, int]:
    """Return the size of a file, or of all in a folder, in bytes, and after gzip -9."""
    packer, size, packed = zlib.compressobj(9, zlib.DEFLATED, GZIP), 0, 0
    files = files_of(path) if path.is_dir() else [path]
    for each in files:
        with open_regular(each) as file:
            while chunk := file.read(CHUNK_BYTES):
                size += len(chunk)
                packed += len(packer.compress(chunk))
    return size, packed + len(packer.flush())
