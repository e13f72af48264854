"""One connection to a host: OpenSSH's client in a child process, and the program that it starts."""

import os
import select
import signal
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

from numpy.typing import NDArray

from edgecv.core.closing import Closing
from edgecv.core.errors import RuntimeFailure, StepError
from edgecv.core.text import first_line, one_line, printable
from edgecv.system.isolation.protocol import (
    Frame,
    MalformedFrame,
    in_seconds,
    pack,
    read_exactly,
    unpack,
)
from edgecv.targets.ssh.agent.start import (
    ARE_NEEDED,
    ARE_THERE,
    MISSING,
    NO_NUMPY,
    NO_RUNTIME,
)
from edgecv.targets.ssh.failures import FAILURES, NETWORK, OF_SSH
from edgecv.targets.ssh.login import Login
from edgecv.targets.ssh.wheels import download

START_S, SILENCE_S, CLOSE_S, EXIT_S = 120.0, 120.0, 10.0, 5.0
"""Longest waits in seconds: for the start, for a frame, for an end in order, for a last message."""
FACTS = ("runtime", "python", "machine", "processor", "cores")
"""Names of what a host says of itself."""
KEPT_BYTES = 8192
LONGEST_TEXT = 200
PACKAGES = {"tflite": "ai-edge-litert", "onnx": "onnxruntime"}
"""Packages that run a format."""


class ConnectionLost(StepError):
    """A connection that ended without an answer: another one may bring it."""


class Unreachable(ConnectionLost):
    """A connection to a host that the network does not find, or that does not take it."""


class ProgramDied(ConnectionLost):
    """A connection whose program there ended by itself, while it ran a file."""


class Connection(Closing):
    """A running program on a host. Its ``facts`` are what it says of itself: untrusted text.

    Raises StepError where it cannot start, as ConnectionLost where the network may be the cause.
    """

    def __init__(self, login: Login, program: bytes, log: Path | None) -> None:
        self._login, self._log, self._is_ready = login, log, False
        try:
            self._process = subprocess.Popen(
                login.command(len(program)),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, "SSH_ASKPASS_REQUIRE": "never"},
                # Ctrl-C reaches this process alone, which ends the host's side in order.
                start_new_session=True,
            )
        except FileNotFoundError:
            remedy = "apt-get install openssh-client"
            raise StepError("ssh", "OpenSSH's client is not installed", remedy=remedy) from None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self._requests, self._responses = self._process.stdin, self._process.stdout
        self._stderr, self._errors = self._process.stderr, bytearray()
        self._reader = threading.Thread(target=self._keep_errors, daemon=True)
        self._reader.start()
        try:
            self._send(program, START_S)
            if login.wheels is not None and self._needs_wheels():
                self._send(login.wheels.archive, START_S)
            header = self._await("ready", START_S).header
        except BaseException:
            self.close()
            raise
        self._is_ready = True
        self.facts = {name: _text(header.get(name)) for name in FACTS}

    def ask(
        self,
        header: Mapping[str, Any],
        arrays: Sequence[NDArray[Any]],
        *,
        most_bytes: int,
        heartbeats: int,
        silence_s: float = SILENCE_S,
    ) -> Frame:
        """Return the answer to a request, with arrays of ``most_bytes`` at most."""
        self._send(pack(header, arrays), silence_s)
        return self._await("answer", silence_s, most_bytes, heartbeats)

    def close(self) -> None:
        """End the program on the host, which removes its folder; wait for it a while."""
        try:
            with suppress(OSError):
                self._requests.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(CLOSE_S)
        finally:
            if self._process.poll() is None:
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()
            self._responses.close()
            if self._log is not None and self._errors:
                with self._log.open("ab") as log:
                    log.write(self._errors)
                self._errors.clear()

    def _needs_wheels(self) -> bool:
        answer = self._read(1, in_seconds(START_S), START_S)
        if answer not in (ARE_NEEDED, ARE_THERE):
            self._raise_nonsense(f"starts with {bytes(answer)!r}")
        return bytes(answer) == ARE_NEEDED

    def _send(self, data: bytes, silence_s: float) -> None:
        requests = self._requests.fileno()
        os.set_blocking(requests, False)
        poll = select.poll()
        poll.register(requests, select.POLLOUT)
        left = memoryview(data)
        while left:
            if not poll.poll(silence_s * 1000):
                raise StepError(self._login.url, f"takes no request for {silence_s:g} s")
            try:
                left = left[os.write(requests, left) :]
            except BrokenPipeError:
                self._raise_death()

    def _await(
        self, kind: str, silence_s: float, most_bytes: int = 0, heartbeats: int = 0
    ) -> Frame:
        while True:
            frame = self._receive(silence_s, most_bytes)
            found = frame.header.get("kind")
            if found == kind:
                return frame
            if found == "failure":
                cls = RuntimeFailure if self._is_ready else StepError
                text = _text(frame.header.get("found"))
                raise cls(self._login.url, f"cannot run the file: {text}")
            if found != "progress" or heartbeats < 1:
                self._raise_nonsense(f"a message of kind {_text(found)}")
            heartbeats -= 1

    def _receive(self, silence_s: float, most_bytes: int) -> Frame:
        deadline = in_seconds(silence_s)
        try:
            return unpack(lambda count: self._read(count, deadline, silence_s), most_bytes)
        except MalformedFrame as error:
            self._raise_nonsense(first_line(error))

    def _read(self, count: int, deadline: Callable[[], float], silence_s: float) -> bytearray:
        try:
            return read_exactly(self._responses.fileno(), count, deadline)
        except TimeoutError:
            raise StepError(self._login.url, f"gives no answer within {silence_s:g} s") from None
        except EOFError:
            self._raise_death()

    def _raise_nonsense(self, found: str) -> NoReturn:
        raise StepError(
            self._login.url,
            f"answers with something else than frames: {found}",
            remedy=f"`ssh {self._login.url} true` must print nothing: see the start files of its"
            " shell",
        )

    def _raise_death(self) -> NoReturn:
        """Raise the error for a connection that has ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(EXIT_S)
        self._reader.join(EXIT_S)
        text, status = self._errors.decode("utf-8", "replace"), self._process.returncode
        lines = [line for line in text.splitlines() if line.strip()]
        last = f": {_text(lines[-1])}" if lines else ""
        url, config = self._login.url, self._login.config
        parts = {"url": url, "ssh": f"ssh -F {config}" if config else "ssh"}
        for cause, sign, found, remedy in FAILURES:
            if status == cause and sign in text:
                parts |= {"python": self._login.python, **self._packages(status, last)}
                raise StepError(url, found.format(**parts) + last, remedy=remedy.format(**parts))
        for sign, found, remedy in NETWORK:
            if status == OF_SSH and sign in text:
                raise Unreachable(url, found + last, remedy=remedy.format(**parts))
        ended = "was closed" if status is None else f"ended with status {status}"
        is_own_end = self._is_ready and status is not None and 0 < status < OF_SSH
        cls = ProgramDied if is_own_end else ConnectionLost
        raise cls(url, f"the connection {ended}{last}")

    def _packages(self, status: int, last: str) -> dict[str, str]:
        """Return the packages that a host lacks, and how they can be sent along."""
        both = {NO_NUMPY: "numpy", NO_RUNTIME: PACKAGES[self._login.kind]}
        missing = [name for bit, name in both.items() if status - MISSING & bit]
        command = download(last, " ".join(both.values()))
        wheels = f", or --wheels wheels, from here: {command}" if command else ""
        return {"missing": " ".join(missing), "lacked": " and ".join(missing), "wheels": wheels}

    def _keep_errors(self) -> None:
        """Keep the last messages of ssh and of the host; the rest is dropped."""
        with self._stderr as stream:
            while some := stream.read(KEPT_BYTES):
                self._errors += some
                del self._errors[:-KEPT_BYTES]


def _text(value: Any) -> str:
    return printable(one_line(str(value)))[:LONGEST_TEXT]
