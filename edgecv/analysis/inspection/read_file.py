"""The parent's side: tells a file's format by its content, and has a child read it.

A model file is untrusted: reading it may crash native code, hang, or eat memory. That ends a child
and is one line about this file.
"""

import json
import os
import signal
import stat
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

from edgecv.analysis.inspection.to_json import contents_from
from edgecv.core.errors import EdgecvError, InputError
from edgecv.formats.contents import Contents, Inspection

ACCEPTED = "model files: .keras, .h5, .tflite, .onnx"
ONNX_FIRST_BYTES = b"\x08\x12\x1a\x22\x28\x32\x3a\x42\x72\xa2\xca"
"""How the fields of an ONNX model begin; writers begin with the first, its version."""
GZIP = 31
"""The window of zlib that writes a gzip file."""
CHUNK_BYTES = 2**20
SECONDS = 10
"""Of computing, which a busy machine does not shorten. Keras loads TensorFlow on all cores."""
SECONDS_OF_KERAS = 60
WAITING = 4
"""How much longer than it may compute a reader may take."""
BYTES_A_SECOND = 50_000_000
LONGEST_TEXT = 300
TAIL_BYTES = 2048
QUIET = ("INFO", "WARNING", "VERBOSE")
"""How lines that explain no death begin."""
# As in the worker: the child finds this package where the parent found it, and nothing in the
# working directory.
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from edgecv.analysis.inspection.child import main; main()"
)
PACKAGES = str(Path(__file__).parents[3])


def inspect_all(paths: Sequence[Path]) -> Iterator[tuple[str, Inspection | EdgecvError]]:
    """Inspect files one after the other; what is wrong with one is its result."""
    for path in paths:
        try:
            yield str(path), inspect(path)
        except EdgecvError as error:
            yield str(path), error


def inspect(path: Path) -> Inspection:
    """Say what is in a model file. Raises InputError where it is not one, or is damaged."""
    kind = format_of(path)
    try:
        contents = _contents(path, kind)
        return Inspection(str(path), *_sizes(path), contents)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None


def format_of(path: Path) -> str:
    """Tell "keras", "h5", "tflite" or "onnx" by the first bytes of a file."""
    where = str(path)
    try:
        if path.is_dir():
            raise InputError(where, "is a folder", accepted=ACCEPTED, remedy=_models_in(path))
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(where, "is a device or a pipe, not a file", accepted=ACCEPTED)
        with path.open("rb") as file:
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
    if (folder / "saved_model.pb").is_file():
        return "load this SavedModel in tf_keras and save it as a .keras file"
    suffixes = (".keras", ".h5", ".tflite", ".onnx")
    names = sorted(each.name for each in folder.iterdir() if each.suffix in suffixes)
    return f"give the files in it: {', '.join(names[:8])}" if names else "give a file"


def _contents(path: Path, kind: str) -> Contents:
    is_keras = kind in ("keras", "h5")
    limit = SECONDS_OF_KERAS if is_keras else SECONDS + path.stat().st_size // BYTES_A_SECOND
    with tempfile.TemporaryFile() as answer, tempfile.TemporaryFile() as log:
        child = subprocess.Popen(
            [sys.executable, "-P", "-c", PROGRAM, PACKAGES, kind, str(path), str(limit)],
            stdin=subprocess.DEVNULL,
            stdout=answer,
            stderr=log,
            # Threads of numpy's libraries would need address space and have nothing to do.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},
            # Its own session: Ctrl-C reaches the parent alone, and a kill reaches all of it.
            start_new_session=True,
        )
        try:
            code = child.wait(timeout=WAITING * limit)
        except subprocess.TimeoutExpired:
            raise _unreadable(path, f"takes longer than {WAITING * limit} s to read") from None
        finally:
            _end(child)
        if code == -signal.SIGXCPU:
            raise _unreadable(path, f"takes longer than {limit} s of computing to read")
        if code != 0:
            raise _unreadable(path, f"reading it {_death(code)}{_last_words(log)}")
        return _said(answer, path)


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _said(answer: IO[bytes], path: Path) -> Contents:
    answer.seek(0)
    data = answer.read()
    try:
        said: Any = json.loads(data)
        if isinstance(said, dict) and "contents" in said:
            return contents_from(json.dumps(said["contents"]).encode())
        found, accepted, remedy = (
            _one_line(str(said.get(key, ""))) for key in ("found", "accepted", "remedy")
        )
    except (ValueError, AttributeError, RecursionError) as error:
        raise _unreadable(path, f"its reader answered nonsense: {error}") from None
    raise InputError(str(path), found, accepted=accepted, remedy=remedy)


def _unreadable(path: Path, found: str) -> InputError:
    return InputError(
        str(path), _one_line(found), remedy="the file is damaged or hostile: do not open it"
    )


def _death(code: int) -> str:
    if code > 0:
        return f"ended with status {code}"
    names = {each.value: each.name for each in signal.Signals}
    return f"died of {names.get(-code, f'signal {-code}')}"


def _last_words(log: IO[bytes]) -> str:
    end = log.seek(0, os.SEEK_END)
    log.seek(max(0, end - TAIL_BYTES))
    lines = log.read().decode("utf-8", "replace").splitlines()
    telling = [line.strip() for line in lines if line.strip() and not line.startswith(QUIET)]
    return f": {telling[-1]}" if telling else ""


def _one_line(text: str) -> str:
    # What a child says may come from a hostile file: it may not move the cursor either.
    plain = "".join(letter if letter.isprintable() else " " for letter in text)
    return " ".join(plain.split())[:LONGEST_TEXT]


def _sizes(path: Path) -> tuple[int, int]:
    """Return the bytes of a file, and after gzip -9."""
    packer, size, packed = zlib.compressobj(9, zlib.DEFLATED, GZIP), 0, 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            size += len(chunk)
            packed += len(packer.compress(chunk))
    return size, packed + len(packer.flush())
