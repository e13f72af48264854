"""A child process that serves requests: a fresh interpreter, and the pipes to it."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from edgecv.core.closing import Closing
from edgecv.core.errors import EdgecvError
from edgecv.system.isolation.deadline import Deadline
from edgecv.system.isolation.limits import ProcessLimits
from edgecv.system.isolation.protocol import Frame, pack, read_exactly, unpack, write_all
from edgecv.system.temporary import folder_of_child

# The child finds this package where the parent found it, and nothing in the working directory:
# -P keeps a user's own numpy.py out.
PROGRAM = (
    "import importlib, sys; sys.path.insert(0, sys.argv[2]); "
    "importlib.import_module(sys.argv[3]).main()"
)
PACKAGES = str(Path(__file__).parents[3])
TAIL_BYTES = 2048
DEATH_S = 5.0
QUIET = ("INFO", "WARNING", "VERBOSE", "I0000", "W0000")
"""Prefixes of log lines that never explain a crash."""
NO_CARD = "cuda_platform.cc"
"""Part of a line that TensorFlow prints where there is no graphics card."""


@dataclass(frozen=True)
class ChildProgram:
    """The module that a child process runs, with its stages, start time and errors."""

    module: str
    """Module whose function ``main`` is called."""
    stages: tuple[str, ...]
    """Stages of a request that the child may announce; each request begins in the first."""
    start_s: float = 60.0
    """Longest time of the start, imports included, on a busy machine."""
    remedy: str = ""
    """Remedy shown where a request crashes the child or hangs it."""
    errors: Mapping[str, type[EdgecvError]] = field(default_factory=dict)
    """Errors that the parent raises again, by class name; all others become RuntimeFailure."""


class ChildProcess(Closing):
    """A running child process. ``seen`` are the files of its requests so far.

    ``settings`` are for its ``main``. The output of native code is appended to ``log``, and dropped
    where there is none.
    """

    def __init__(
        self,
        program: ChildProgram,
        settings: Mapping[str, Any],
        *,
        limits: ProcessLimits = ProcessLimits(),  # noqa: B008  frozen
        log: Path | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.program = program
        self.ready = False
        self.seen: set[str] = set()
        self.limits = limits
        self._log = log or Path(os.devnull)
        settings = {
            **settings,
            "limits": asdict(limits),
            # The system ends a child with the thread that started it: only the main one lasts.
            "dies_with_parent": threading.current_thread() is threading.main_thread(),
        }
        arguments = [json.dumps(settings), PACKAGES, program.module]
        # What libraries leave behind there goes with the child.
        self._temporary = folder_of_child()
        environment = {**(environment or os.environ), "TMPDIR": str(self._temporary)}
        try:
            with self._log.open("ab") as stderr:
                self._log_start = stderr.tell() if log else 0
                self.process = subprocess.Popen(
                    [sys.executable, "-P", "-c", PROGRAM, *arguments],
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=stderr,
                    bufsize=0,
                    env=environment,
                    # Its own session: Ctrl-C reaches the parent alone, a kill reaches all of it.
                    start_new_session=True,
                )
        except BaseException:
            shutil.rmtree(self._temporary, ignore_errors=True)
            raise
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._requests = self.process.stdin
        self._responses = self.process.stdout

    def close(self) -> None:
        """Kill the process."""
        self.kill()

    def send(self, header: Mapping[str, Any], arrays: Sequence[NDArray[Any]] = ()) -> None:
        """Send a request. Raises EOFError where the child is dead."""
        log_start = self._log.stat().st_size
        try:
            write_all(self._requests.fileno(), pack(header, arrays))
        except BrokenPipeError:
            raise EOFError from None  # Its last output explains the crash.
        self._log_start = log_start

    @property
    def is_alive(self) -> bool:
        """True if the process has not ended yet."""
        return self.process.poll() is None

    def receive(self, silence_s: float) -> Frame:
        """Return the child's next frame. Raises TimeoutError, EOFError or MalformedFrame.

        Seconds in which the machine was too busy to let it run do not count as silence.
        """
        deadline = Deadline(self.process.pid, silence_s)
        return unpack(lambda count: read_exactly(self._responses.fileno(), count, deadline))

    def cause_of_death(self) -> tuple[str, int]:
        """Return the cause of its death, once its pipe is closed, and the signal or 0."""
        try:
            code = self.process.wait(timeout=DEATH_S)
        except subprocess.TimeoutExpired:
            return "closed its pipe", 0
        if -code == signal.SIGXCPU:
            limit = "it may" if self.limits.cpu_s is None else f"{self.limits.cpu_s} s"
            return f"took more than {limit} of computing", -code
        if code >= 0:
            return f"ended with status {code}", 0
        names = {each.value: each.name for each in signal.Signals}
        return f"died of {names.get(-code, f'signal {-code}')}", -code

    @property
    def signal_of_death(self) -> int:
        """The signal that it died of; 0 where it lives or has ended by itself."""
        return max(0, -(self.process.poll() or 0))

    def kill(self) -> None:
        """Kill the process, if it is not dead already, and release its pipes."""
        if self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self._requests.close()
        self._responses.close()
        shutil.rmtree(self._temporary, ignore_errors=True)

    def printed(self, most_bytes: int) -> bytes:
        """Return the last ``most_bytes`` of its output since the last request."""
        with self._log.open("rb") as log:
            end = log.seek(0, os.SEEK_END)
            log.seek(max(self._log_start, end - most_bytes))
            return log.read(most_bytes)

    def last_line(self) -> str:
        """Return the last line of its output that may explain its death."""
        lines = self.printed(TAIL_BYTES).decode("utf-8", "replace").splitlines()
        telling = [
            line.strip()
            for line in lines
            if line.strip() and not line.startswith(QUIET) and NO_CARD not in line
        ]
        return telling[-1] if telling else ""
