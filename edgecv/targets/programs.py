"""Programs of this machine that targets start: compilers, emulators, what they have built."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from edgecv.core.errors import StepError
from edgecv.core.text import printable


def first_installed(names: Sequence[str]) -> str | None:
    """Return the path of the first program of some that this machine has."""
    return next((found for name in names if (found := shutil.which(name))), None)


def run_program(
    command: Sequence[str],
    seconds: float,
    given: bytes = b"",
    *,
    name: str = "",
    folder: Path | None = None,
    log: Path | None = None,
) -> bytes:
    """Run a program to its end and return what it prints.

    ``given``: its standard input; ``name`` in errors: that of its file by default; ``folder``: the
    one that it runs in; ``log`` collects its messages. Raises StepError where it cannot be started,
    fails or takes too long.
    """
    name = name or Path(command[0]).name
    try:
        done = subprocess.run(
            command, input=given, capture_output=True, timeout=seconds, cwd=folder, check=False
        )
    except subprocess.TimeoutExpired:
        raise StepError(name, f"does not end within {seconds:g} s") from None
    except OSError as error:
        raise StepError(name, f"cannot be started: {error.strerror}") from None
    if log is not None:
        with log.open("ab") as file:
            file.write(done.stderr)
    if done.returncode:
        reason = _reason(done.stderr.decode("utf-8", "replace"))
        raise StepError(name, f"ends with status {done.returncode}: {reason}")
    return done.stdout


def _reason(messages: str) -> str:
    """Return the line that names an error, else the last one.

    A linker says what is wrong in the line before that of the compiler that called it.

    >>> _reason("in main:\\nmain.c:3: error: expected ';'\\nmake: stopped\\n")
    "main.c:3: error: expected ';'"
    >>> _reason("ld: region FLASH overflowed by 9 bytes\\ncollect2: error: ld returned 1\\n")
    'ld: region FLASH overflowed by 9 bytes'
    """
    lines = [line for line in messages.splitlines() if line.strip()] or ["nothing is printed"]
    place = next((n for n, line in enumerate(lines) if "error:" in line), len(lines) - 1)
    is_linker = "ld returned" in lines[place] and place > 0
    return printable(lines[place - is_linker])
