"""Runs the command line, counts the changes that it makes below a folder, dies before one of them.

``python -m tests.fault_injection.fuzz.watched FOLDER CHANGE TOLD ARGUMENT...``; the count goes
into the file TOLD.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

EVENTS = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate")


class Changes:
    """Counts what this process changes below a folder; ``fatal`` is the one it does not live to."""

    def __init__(self, folder: Path, fatal: int) -> None:
        self.count = 0
        self._folder = str(folder)
        self._fatal = fatal
        sys.addaudithook(self._watch)

    def _watch(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open":
            path, _, flags = arguments
            is_change = bool(flags & (os.O_WRONLY | os.O_RDWR))
        else:
            path, is_change = (arguments or ("",))[0], event in EVENTS
        if is_change and str(path).startswith(self._folder):
            self.count += 1
            if self.count == self._fatal:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> int:
    """Run ``edgecv`` with the arguments that follow."""
    folder, fatal, told = sys.argv[1:4]
    del sys.argv[1:4]
    changes = Changes(Path(folder), int(fatal))
    from edgecv.__main__ import main as edgecv

    code = edgecv()
    Path(told).write_text(str(changes.count))
    return code


if __name__ == "__main__":
    sys.exit(main())
