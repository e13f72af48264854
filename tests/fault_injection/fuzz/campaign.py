"""Many mutants of one kind through the program, in a child that is watched."""

import json
import random
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .kinds import KINDS, REPOSITORY

LIMIT_S = 60.0
"""For one mutant: longer than a worker may be silent, and a restart of it."""
START_S = 300.0
MEMORY_BYTES = 2**30
"""A tiny file may not make the process grow by more."""
SAID_EVERY = 100
ITS_OWN = ("edgecv-fuzz-", "cache", "temporary", "work", "said.txt", "mutant", "run")
"""Beginnings of the names of the campaign's own files; its child may be killed beside them."""
FINDINGS = ("crash", "hang", "traceback", "garbled", "memory", "left")
HEADINGS = ("kind", "mutants", "accepted", "refused", "ended a child", *FINDINGS, "seconds")


@dataclass
class Result:
    """What came of the mutants of one kind. ``findings``: outcome, mutant, message."""

    kind: str
    outcomes: Counter[str] = field(default_factory=Counter)
    findings: list[tuple[str, Path, str]] = field(default_factory=list)
    seconds: float = 0.0

    def row(self) -> list[str]:
        """Return the cells under ``HEADINGS``."""
        counted = ("accepted", "refused", "contained", *FINDINGS)
        counts = [f"{self.outcomes[name]:,}" for name in counted]
        return [self.kind, f"{self.outcomes.total():,}", *counts, f"{self.seconds:.0f}"]


def mutants(kind: str, count: int, seed: int) -> Iterator[bytes]:
    """Give mutants of a kind: the same for the same seed."""
    seeds = KINDS[kind].seeds()
    for number in range(count):
        chance = random.Random(f"{seed}-{number}")
        yield KINDS[kind].mutate(chance.choice(seeds), seeds, chance)


def fuzz(
    kind: str,
    count: int,
    seed: int,
    kept: Path,
    *,
    say: Callable[[str], object] = lambda line: None,
) -> Result:
    """Run mutants of a kind; those that find something are kept in a folder."""
    result = Result(kind)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgecv-fuzz-") as name:
        child = Watched(kind, Path(name))
        for number, mutant in enumerate(mutants(kind, count, seed)):
            path = Path(name) / f"mutant{KINDS[kind].suffix}"
            path.write_bytes(mutant)
            outcome, message = child.read(path)
            result.outcomes[outcome] += 1
            if outcome in FINDINGS:
                kept.mkdir(parents=True, exist_ok=True)
                copy = kept / f"{kind}-{seed}-{number}-{outcome}{path.suffix}"
                shutil.copyfile(path, copy)
                result.findings.append((outcome, copy, message))
                say(f"{outcome}: {copy}")
            if (number + 1) % SAID_EVERY == 0:
                seconds = time.monotonic() - began
                say(f"{kind}: {number + 1:,} of {count:,} mutants, {seconds:.0f} s")
        for left in child.left():
            result.outcomes["left"] += 1
            result.findings.append(("left", left, "a file that was there when all had ended"))
    result.seconds = time.monotonic() - began
    return result


class Watched:
    """A process that reads mutants, started again when one of them has ended it."""

    def __init__(self, kind: str, folder: Path) -> None:
        self._kind = kind
        self._log = folder / "said.txt"
        self._folder = folder
        for name in ("cache", "temporary", "work"):
            (folder / name).mkdir()
        self._environment = {
            "EDGECV_CACHE_DIR": str(folder / "cache"),
            "TMPDIR": str(folder / "temporary"),
            "PYTHONPATH": str(REPOSITORY),
        }
        self._process: subprocess.Popen[str] | None = None

    def read(self, path: Path) -> tuple[str, str]:
        """Return the outcome of one mutant, and what was said."""
        if self._process is None:
            self._start()
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(f"{path}\n")
        self._process.stdin.flush()
        line = self._line(LIMIT_S)
        if line is None:
            self.end()
            return "hang", f"no answer in {LIMIT_S:g} s"
        if not line:
            code = self._process.wait()
            self._process = None
            name = signal.Signals(-code).name if code < 0 else f"status {code}"
            return "crash", f"{name}: {self._log.read_text('utf-8', 'replace')[-500:]}"
        answer: dict[str, Any] = json.loads(line)
        if answer["outcome"] in ("accepted", "refused") and answer["bytes"] > MEMORY_BYTES:
            return "memory", f"grew by {answer['bytes'] / 2**20:.0f} MiB"
        return answer["outcome"], answer["message"]

    def end(self) -> None:
        """Kill it: whatever it has open dies with it."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def left(self) -> list[Path]:
        """Let it end by itself; return what it leaves where files go, its cache apart."""
        if self._process is not None:
            assert self._process.stdin is not None
            self._process.stdin.close()
            try:
                self._process.wait(LIMIT_S)
            except subprocess.TimeoutExpired:
                self.end()
        found = [*self._folder.iterdir(), *self._folder.glob("[tw]*/*")]
        return sorted(path for path in found if not path.name.startswith(ITS_OWN))

    def _start(self) -> None:
        import os

        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.fault_injection.fuzz.serving", self._kind],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                cwd=self._folder / "work",
                env={**os.environ, **self._environment},
            )
        if self._line(START_S) != "ready\n":
            raise RuntimeError(f"the reader did not start: {self._log.read_text()[-500:]}")

    def _line(self, seconds: float) -> str | None:
        assert self._process is not None
        assert self._process.stdout is not None
        ready, _, _ = select.select([self._process.stdout], [], [], seconds)
        return self._process.stdout.readline() if ready else None


def table(results: list[Result]) -> str:
    """Return the results as Markdown, with what was found below."""
    rows = [list(HEADINGS), ["---"] * len(HEADINGS), *(result.row() for result in results)]
    lines = [f"| {' | '.join(row)} |" for row in rows]
    for result in results:
        for outcome, path, message in result.findings:
            last = (message.strip().splitlines() or [""])[-1]
            lines.append(f"{outcome}: {path}: {last[:300]}")
    return "\n".join(lines)
