"""The child of a campaign: reads one mutant after the other and says what came of each."""

import json
import os
import resource
import sys
import time
import traceback
from pathlib import Path

from edgecv.core.errors import EdgecvError

from .kinds import KINDS

MEMORY_BYTES = 2**32
"""Address space that reading may take beyond what the process has at first."""
SIGNS_OF_A_DEATH = ("died of SIG", "did not answer", "ended with status", "s of computing")


def serve(kind: str) -> None:
    """Answer each path on standard input with a line of JSON on standard output."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # Libraries print: not among the answers.
    read = KINDS[kind].read
    KINDS[kind].prepare()
    answers.write("ready\n")
    answers.flush()
    is_limited = False
    for line in sys.stdin:
        began = time.monotonic()
        before = _peak_bytes()
        outcome, message = _outcome(read, Path(line.rstrip("\n")))
        grown = _peak_bytes() - before
        answer = {
            "outcome": outcome,
            "message": message,
            "seconds": time.monotonic() - began,
            "bytes": grown,
        }
        answers.write(json.dumps(answer) + "\n")
        answers.flush()
        if not is_limited:  # After the first file, with which the libraries were loaded.
            _limit_memory()
            is_limited = True


def _outcome(read: object, path: Path) -> tuple[str, str]:
    try:
        read(path)  # type: ignore[operator]
    except EdgecvError as error:
        message = str(error)
        if "\n" in message or not message.isprintable():
            return "garbled", message
        died = any(sign in message for sign in SIGNS_OF_A_DEATH)
        return ("contained" if died else "refused"), message
    except MemoryError:
        return "memory", ""
    except BaseException:  # noqa: BLE001 this is what the campaign looks for
        return "traceback", traceback.format_exc()
    return "accepted", ""


def _peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


if __name__ == "__main__":
    serve(sys.argv[1])
