"""Kills a run with SIGKILL at random moments, starts it again, and compares what came of it.

Half of the kills come after a random time. The other half come at a random change on disk, right
before it is made: a file opened for writing, renamed or removed is a moment that time rarely hits.
"""

import json
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from edgecv.core.errors import InputError
from edgecv.system.storage import check_seal, file_sha256

RECIPE = """
name = "killed"
[data]
source = "digits"
[baseline]
input_shape = [20, 20, 1]
training = { epochs = 2, minimum_steps = 0, batch = 128 }
"""
TECHNIQUES = """
[[technique]]
technique = "prune"
training = { epochs = 2, minimum_steps = 0, batch = 128 }
[[technique]]
technique = "qat"
training = { epochs = 1, minimum_steps = 0, batch = 128 }
"""
EXPORTS = """
[[export]]
format = "tflite"
precision = "int8"
[[export]]
format = "onnx"
precision = "int8"
"""
STAGES = {
    "reading": "data",
    "digits": "data",
    "no stored": "training",
    "epoch": "training",
    "prune": "pruning",
    "qat": "quantization-aware training",
    "writing": "export",
    "float32": "measuring",
    "int8": "measuring",
}
LIMIT_S = 600
REPOSITORY = Path(__file__).parents[3]


@dataclass
class Tally:
    """What the kills came to."""

    kills: Counter[str] = field(default_factory=Counter)
    finished: int = 0
    other_choices: int = 0
    problems: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Return it as Markdown."""
        lines = ["| killed during | times |", "| --- | --- |"]
        lines += [f"| {stage} | {count} |" for stage, count in sorted(self.kills.items())]
        lines += [
            f"| all | {self.kills.total()} |",
            "",
            f"{self.finished} runs ended with the hashes of one that nobody killed; "
            f"{self.other_choices} of them had measured the other activations of int8.onnx faster; "
            f"{len(self.problems)} problems.",
        ]
        return "\n".join([*lines, *self.problems])


class Killer:
    """Runs one recipe again and again, and does not let it finish."""

    def __init__(
        self,
        folder: Path,
        seed: int,
        *,
        techniques: bool = True,
        say: Callable[[str], object] = lambda line: None,
    ) -> None:
        self.say = say
        self.random = random.Random(seed)
        self.folder = folder
        self.plan = folder / "killed.toml"
        self.plan.write_text(RECIPE + (TECHNIQUES if techniques else "") + EXPORTS)
        self.tally = Tally()
        reference = folder / "reference"
        began = time.monotonic()
        self._run(reference)
        self.seconds = time.monotonic() - began
        self.changes = int((folder / "changes.txt").read_text())
        self.expected = outcome(reference)

    def kill(self, times: int) -> Tally:
        """Kill ``times`` runs; each is started again until it ends, and then compared."""
        number = 0
        while self.tally.kills.total() < times:
            number += 1
            output = self.folder / f"output-{number}"
            # A run that is there already is refused: a kill can come after it was put in place.
            while (
                self.tally.kills.total() < times
                and not (output / "killed").exists()
                and self._is_killed(output)
            ):
                self._report(*corrupt(output))
            self._finish(output)
            shutil.rmtree(output)
        return self.tally

    def _finish(self, output: Path) -> None:
        if not (output / "killed").exists():
            self._run(output)
        found = outcome(output)
        self._report(*corrupt(output))
        # Which activations an int8 ONNX file has is measured, and may come out differently.
        same_choice = found.keys() == self.expected.keys()
        self.tally.other_choices += not same_choice
        if all(self.expected.get(name, found[name]) == found[name] for name in found):
            self.tally.finished += 1
        else:
            differing = [name for name in self.expected if found.get(name) != self.expected[name]]
            self._report(f"{output.name}: other bytes in {', '.join(differing)}")

    def _is_killed(self, output: Path) -> bool:
        """Run it and kill it; False where it ended before."""
        by_time = self.random.random() < 0.5
        change = 0 if by_time else self.random.randint(1, self.changes)
        after_s = self.seconds * self.random.uniform(0.1, 0.8) if by_time else LIMIT_S
        process = self._start(output, change)
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        said = self._log.read_text("utf-8", "replace")
        if process.returncode == -signal.SIGKILL:
            self.tally.kills[stage_of(said)] += 1
            how = f"after {after_s:.1f} s" if by_time else f"before change {change} on disk"
            kills, problems = self.tally.kills.total(), len(self.tally.problems)
            self.say(
                f"kill {kills}, while {stage_of(said)}, {how}: {problems} problems, "
                f"{self.tally.finished} runs ended as they should"
            )
            return True
        if process.returncode != 0:
            self._report(f"ended with {process.returncode}: {said[-300:]}")
        return False

    def _report(self, *problems: str) -> None:
        for problem in problems:
            self.say(problem)
            self.tally.problems.append(problem)

    def _run(self, output: Path) -> None:
        code = self._start(output, 0).wait(LIMIT_S)
        if code != 0:
            raise RuntimeError(f"the run ended with {code}: {self._log.read_text()[-500:]}")

    def _start(self, output: Path, change: int) -> "subprocess.Popen[bytes]":
        told = self.folder / "changes.txt"
        self._log = self.folder / "said.txt"
        arguments = ["compress", "--recipe", str(self.plan), "--output", str(output)]
        with self._log.open("wb") as log:
            return subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.fault_injection.fuzz.watched",
                    str(output),
                    str(change),
                    str(told),
                    *arguments,
                ],
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=REPOSITORY,
            )


def outcome(output: Path) -> dict[str, str]:
    """Return the hash of each model and artifact of the finished run, by its name.

    The name of an int8 ONNX file holds the activations that were chosen by measuring.
    """
    report = json.loads((output / "killed" / "report.json").read_bytes())
    notes = {each["artifact"]["path"]: each["artifact"]["notes"] for each in report["comparisons"]}
    return {
        " ".join([path.name, *(note[:17] for note in notes.get(path.name, [])[:1])]): file_sha256(
            path
        )
        for path in sorted((output / "killed").iterdir())
        if path.suffix in (".tflite", ".onnx", ".keras", ".h5")
    }


def corrupt(output: Path) -> list[str]:
    """Return what is at a final path and is not whole."""
    problems = []
    folders = [output / "killed", *(output / "baselines").glob("*")]
    for kind in ("exports", "techniques", "predictions", "models"):
        folders += (output / ".store" / kind).glob("*")
    for folder in folders:
        if folder.exists():
            try:
                check_seal(folder)
            except InputError as error:
                problems.append(f"corrupt: {error}")
    for path in (output / ".store" / "checkpoints").glob("*"):
        if not path.name.endswith(".tmp") and not _is_whole(path):
            problems.append(f"corrupt: {path}")
    return problems


def _is_whole(path: Path) -> bool:
    try:
        if path.suffix == ".json":
            json.loads(path.read_text("utf-8"))
        else:
            with np.load(path, allow_pickle=False) as file:
                [file[name] for name in file.files]
    except Exception:  # noqa: BLE001 whatever a broken file makes of numpy is an answer
        return False
    return True


def stage_of(said: str) -> str:
    """Return what the run was doing by the last line that says so."""
    for line in reversed(said.splitlines()):
        for start, stage in STAGES.items():
            if line.startswith(start):
                return stage
    return "starting"
