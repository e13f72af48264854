"""Stages, a checkpoint and a run that is replaced, killed before every single change on disk.

``python -m tests.fault_injection.fuzz.steps FOLDER`` prints how many moments there were, and what
was lost.
"""

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

from edgecv.system.storage import Store, write_bytes

from .kills import corrupt
from .watched import Changes


def steps(store: Store) -> None:
    """Do what a run does to the disk."""
    write_bytes(store.checkpoint("key", ".json"), b"{}")
    store.stage("exports", "key", lambda folder: write_bytes(folder / "b.txt", b"b"))
    store.forget("key")
    for text in ("old", "new"):
        with store.writing(store.run_folder("killed"), replace=True) as draft:
            write_bytes(draft / "a.txt", text.encode())


def die_at_every_moment(folder: Path) -> tuple[int, list[str]]:
    """Return how many moments there were, and what was not as it should be after one of them."""
    problems: list[str] = []
    moment = 0
    while True:
        moment += 1
        output = folder / str(moment)
        code = _in_a_child(output, moment)
        problems += corrupt(output)
        if code == 0:
            return moment - 1, problems
        if code != -signal.SIGKILL or _in_a_child(output, 0) != 0:
            problems.append(f"moment {moment}: it did not go on")
        problems += corrupt(output) + _left(output)


def _in_a_child(output: Path, fatal: int) -> int:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            Changes(output, fatal)
            steps(Store(output))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _left(output: Path) -> list[str]:
    wrong: dict[str, Callable[[], bool]] = {
        "another text": lambda: (output / "killed" / "a.txt").read_text() != "new",
        "a checkpoint": lambda: any((output / ".store" / "checkpoints").iterdir()),
        "a draft": lambda: any((output / ".partial").iterdir()),
    }
    return [f"{output.name}: {name} is left" for name, is_so in wrong.items() if is_so()]


if __name__ == "__main__":
    moments, lost = die_at_every_moment(Path(sys.argv[1]))
    print(moments, *lost, sep="\n")
