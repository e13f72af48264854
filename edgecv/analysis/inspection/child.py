"""The child's side: reads one file, says what is in it or what is wrong with it, and ends."""

import json
import os
import resource
import signal
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecv.core.errors import EdgecvError

LARGEST_ANSWER_BYTES = 2**26
MEMORY_BYTES = 2**30
MEMORY_A_FILE_BYTE = 8
"""A file is held as bytes and as tables, and written out again for shape inference."""
ALARM_S = 600
"""Longer than any parent waits."""


def main() -> None:
    """Read the file that the arguments name: folder of packages, format, path, seconds."""
    _, kind, path, seconds = sys.argv[1:]
    # Native code prints to descriptor 1: it gets the log instead.
    answer = os.dup(1)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle.
    # Should the parent be gone by then, nobody else ends this process.
    signal.setitimer(signal.ITIMER_REAL, ALARM_S)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with os.fdopen(answer, "w") as file:
        file.write(json.dumps(_answer(kind, Path(path), int(seconds)), allow_nan=False))
    os._exit(0)  # Native destructors may hang after a hostile file.


def _answer(kind: str, path: Path, seconds: int) -> dict[str, Any]:
    try:
        return {"contents": asdict(_read(kind, path, seconds))}
    except EdgecvError as error:
        return {"found": error.found, "accepted": error.accepted, "remedy": error.remedy}
    except MemoryError:
        return {"found": "needs more memory to be read than its size explains"}
    except OSError as error:
        return {"found": f"cannot be read: {error.strerror or error}"}
    except RecursionError:
        return {"found": "is damaged: it nests too deeply"}


def _read(kind: str, path: Path, seconds: int) -> Any:
    if kind in ("keras", "h5"):
        from edgecv.formats.keras import inspect as keras

        return keras.read(path, f".{kind}")
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_FSIZE, (LARGEST_ANSWER_BYTES, LARGEST_ANSWER_BYTES))
    _limit_memory(MEMORY_BYTES + MEMORY_A_FILE_BYTE * path.stat().st_size)
    if kind == "tflite":
        from edgecv.formats.tflite import inspect as tflite

        return tflite.read(path.read_bytes(), str(path))
    from edgecv.formats.onnx import inspect as onnx

    return onnx.read(path.read_bytes(), str(path))


def _limit_memory(more_bytes: int) -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + more_bytes
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_AS, (most, hard))
