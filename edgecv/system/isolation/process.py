"""A fresh interpreter that serves a runtime, and the pipes to it."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from edgecv.system.isolation.protocol import Frame, pack, read_exactly, unpack, write_all

# The child finds this package where the parent found it, and nothing in the working directory:
# -P keeps a user's own numpy.py out.
ANY_PROGRAM = "import sys; sys.path.insert(0, sys.argv[2]); from {module} import main; main()"
PROGRAM = ANY_PROGRAM.format(module="edgecv.system.isolation.model_server")
PACKAGES = str(Path(__file__).parents[3])
TAIL_BYTES = 2048
DEATH_S = 5.0
QUIET = ("INFO", "WARNING", "VERBOSE", "I0000", "W0000")
"""How lines that explain no death begin."""
NO_CARD = "cuda_platform.cc"
"""What TensorFlow says where there is no graphics card."""


class ChildProcess:
    """A running child. ``opened`` are the files that it was asked to open.

    ``program`` is what it runs: that which serves a runtime, where none is given.
    """

    def __init__(self, settings: dict[str, Any], log: Path, program: str | None = None) -> None:
        self.ready = False
        self.opened: set[Path] = set()
        self._log = log
        with log.open("ab") as stderr:
            self._log_start = stderr.tell()
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-c", program or PROGRAM, json.dumps(settings), PACKAGES],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
                bufsize=0,
                # Its own session: Ctrl-C reaches the parent alone, and a kill reaches all of it.
                start_new_session=True,
            )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._requests = self.process.stdin
        self._answers = self.process.stdout

    def send(self, header: dict[str, Any]) -> None:
        """Send a request. Raises EOFError where the child is dead."""
        self._log_start = self._log.stat().st_size
        try:
            write_all(self._requests.fileno(), pack(header))
        except BrokenPipeError:
            raise EOFError from None

    @property
    def is_alive(self) -> bool:
        """Whether it has not ended yet."""
        return self.process.poll() is None

    def receive(self, silence_s: float) -> Frame:
        """Return what the child says next. Raises TimeoutError, EOFError or GarbledFrame."""
        deadline = time.monotonic() + silence_s
        return unpack(lambda count: read_exactly(self._answers.fileno(), count, deadline))

    def cause_of_death(self) -> tuple[str, int, str]:
        """Say what it died of once its pipe is closed, the signal (or 0) and its last words."""
        try:
            code = self.process.wait(timeout=DEATH_S)
        except subprocess.TimeoutExpired:
            return "closed its pipe", 0, ""
        if code >= 0:
            return f"ended with status {code}", 0, self._last_words()
        return f"died of {signal.Signals(-code).name}", -code, self._last_words()

    def kill(self) -> None:
        """End it, at once and for certain. It may be dead already."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._requests.close()
        self._answers.close()

    def said(self, most_bytes: int) -> bytes:
        """Return what it has printed since the last request, or the last of it."""
        with self._log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - most_bytes))
            return log.read(most_bytes)

    def _last_words(self) -> str:
        lines = self.said(TAIL_BYTES).decode("utf-8", "replace").splitlines()
        telling = [
            line.strip()
            for line in lines
            if line.strip() and not line.startswith(QUIET) and NO_CARD not in line
        ]
        return telling[-1] if telling else ""
