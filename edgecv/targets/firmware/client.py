"""A client of boards that speak the serial protocol of the MLPerf Tiny benchmark.

github.com/mlcommons/tiny, benchmark/api/internally_implemented.cpp; after Banbury et al., "MLPerf
Tiny benchmark", 2021. A command ends with "%"; its answer is lines, of which "m-ready" is the last.
"""

import re
import time
from typing import Protocol

from edgecv.core.errors import StepError
from edgecv.core.text import printable

ANSWER_S = 60.0
"""Seconds in which a board must answer a command; each run of an input has as many."""
AGAIN_S = 2.0
"""Seconds of silence after which a board is greeted again: opening its port may restart it."""
LEAST_BYTES = 65_536
"""Bytes of an answer that are always allowed: 8 KB of outputs, and lines around them."""
STANDARD_BYTES, OWN_BYTES = 38, 256
"""Bytes of one command that loads an input: MLPerf Tiny's commands have 80 characters at most."""
OWN_PROFILE = "m-profile-[edgecv firmware 1]"
READY = b"m-ready\r\n"
LONGEST_SHOWN = 80


class ByteStream(Protocol):
    """A serial connection."""

    def read(self, seconds: float) -> bytes:
        """Return what has come, after at most ``seconds``; nothing where nothing came.

        Raises StepError where the connection is lost.
        """

    def write(self, content: bytes) -> None:
        """Send bytes. Raises StepError where the connection is lost."""


class BoardClient:
    """A board at the other end of a stream. All that it says is untrusted."""

    def __init__(self, stream: ByteStream, where: str, answer_s: float = ANSWER_S) -> None:
        self._stream, self.where, self._answer_s = stream, where, answer_s
        self._rest = b""
        self.chunk = STANDARD_BYTES
        self.model = ""
        """The model that it runs, as it says: a SHA-256, or the name of a benchmark's model."""
        self.gives_bytes = False
        """True if it gives outputs as they are stored; boards of others give three decimals."""

    def greet(self) -> None:
        """Find out what it is. Raises StepError where nothing that speaks the protocol answers."""
        # The first sign ends what another program may have begun. A board that starts says that it
        # is ready by itself: only what follows its name is known to be the last of its answer.
        self._stream.write(b"%name%")
        self._until_ready("name", LEAST_BYTES, after=b"m-name-", again=True)
        # It may have been asked its name several times, and not have said it as often yet.
        lines = self.ask("profile", after=b"m-profile-")
        self.gives_bytes = OWN_PROFILE in lines
        self.chunk = OWN_BYTES if self.gives_bytes else STANDARD_BYTES
        named = _bracketed(lines, "m-model-[")
        self.model = named if re.fullmatch(r"[\w.-]{1,80}", named) else ""

    def load(self, content: bytes) -> None:
        """Send the input of one inference, as it is stored."""
        self.ask(f"db load {len(content)}")
        lines: list[str] = []
        for start in range(0, len(content), self.chunk):
            lines = self.ask(f"db {content[start : start + self.chunk].hex()}")
        if "m-load-done" not in lines:
            raise StepError(self.where, f"does not take an input of {len(content):,} bytes")

    def infer(self, times: int) -> int | None:
        """Run the loaded input; return microseconds of all ``times``, None without a clock."""
        lines = self.ask(f"infer {times} 0", runs=times)
        found = [line for line in lines if re.fullmatch(r"m-lap-us-\d{1,20}", line)]
        if "m-infer-done" not in lines or len(found) != 2:
            raise self._nonsense(lines)
        start, end = (int(line[9:]) for line in found)
        return (end - start) % 2**32 or None

    def outputs(self, count: int) -> bytes:
        """Return the ``count`` bytes of all outputs, as they are stored."""
        lines = self.ask("outputs", LEAST_BYTES + 2 * count)
        text = _bracketed(lines, "m-outputs-[")
        if not re.fullmatch(rf"[0-9a-f]{{{2 * count}}}", text):
            raise StepError(self.where, f"gives {len(text) // 2:,} bytes in place of {count:,}")
        return bytes.fromhex(text)

    def results(self, count: int) -> list[float]:
        """Return the ``count`` numbers of its output, which have three decimals."""
        lines = self.ask("results")
        text = _bracketed(lines, "m-results-[")
        numbers = text.split(",")
        if len(numbers) != count or not all(re.fullmatch(r"-?\d+\.\d+", each) for each in numbers):
            raise StepError(
                self.where, f"gives {len(numbers)} numbers in place of {count}: {_shown(text)}"
            )
        return [float(each) for each in numbers]

    def ask(
        self, command: str, most_bytes: int = LEAST_BYTES, runs: int = 1, after: bytes = b""
    ) -> list[str]:
        """Send a command and return the lines of its answer, the last "m-ready" left out.

        ``runs``: of the model, each of which may take as long as another command.

        Raises StepError for silence, nonsense, and what the board calls an error.
        """
        self._stream.write(f"{command}%".encode())
        lines = self._until_ready(command, most_bytes, after, answer_s=runs * self._answer_s)
        if errors := [line for line in lines if line.startswith("e-[")]:
            raise self._nonsense(errors)
        return lines

    def _until_ready(
        self,
        command: str,
        most_bytes: int,
        after: bytes = b"",
        answer_s: float | None = None,
        *,
        again: bool = False,
    ) -> list[str]:
        """Return the lines up to the "m-ready" that is the first behind ``after``.

        ``again``: send the command again whenever nothing comes.
        """
        answer_s = self._answer_s if answer_s is None else answer_s
        content, end = self._rest, time.monotonic() + answer_s
        heard = time.monotonic()
        # Without ``after`` in it, -1 becomes its end.
        while (place := content.find(READY, content.find(after) % (len(content) + 1))) < 0:
            if time.monotonic() >= end:
                raise StepError(
                    self.where,
                    f'does not answer "{_shown(command)}" within {answer_s:g} s',
                    remedy="is it the right port and speed, and does the firmware run?",
                )
            left = max(0.0, end - time.monotonic())
            found = self._stream.read(min(left, AGAIN_S) if again else left)
            content += found
            if found:
                heard = time.monotonic()
            elif again and time.monotonic() - heard >= AGAIN_S:
                self._stream.write(f"{command}%".encode())
                heard = time.monotonic()
            if len(content) > most_bytes:
                raise StepError(self.where, f"answers more than {most_bytes:,} bytes")
        self._rest = content[place + len(READY) :]
        return content[:place].decode("ascii", "replace").splitlines()

    def _nonsense(self, lines: list[str]) -> StepError:
        return StepError(
            self.where,
            f"answers {_shown(' '.join(lines)) or 'nothing'}",
            accepted="the commands of MLPerf Tiny",
        )


def _bracketed(lines: list[str], start: str) -> str:
    """Return what the first line that begins so has in its brackets; empty without such a line."""
    return next((line[len(start) : -1] for line in lines if line.startswith(start)), "")


def _shown(text: str) -> str:
    return printable(text)[:LONGEST_SHOWN]
