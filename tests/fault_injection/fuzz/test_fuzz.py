"""A few mutants of each kind that needs no native runtime, and three kills: the campaigns do more.

``python -m tests.fault_injection.fuzz all --mutants 1000``, and ``kill --times 100``.
"""

import random
import subprocess
import sys
from pathlib import Path

import pytest

from .campaign import Result, Watched, fuzz, mutants, table
from .kills import REPOSITORY, Killer
from .kinds import KINDS
from .mutations import of_bytes, of_json, of_text


@pytest.mark.parametrize("kind", ["recipe", "zip", "npz", "annotations", "scans"])
def test_mutants_are_accepted_or_refused_with_a_line(kind: str, tmp_path: Path) -> None:
    result = fuzz(kind, 150, 0, tmp_path / "found")
    assert result.findings == []
    assert result.outcomes.total() == 150
    assert result.outcomes["accepted"] > 5, "mutants that are all refused prove little"
    assert result.outcomes["refused"] > 50


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_mutants_of_every_kind(kind: str, tmp_path: Path) -> None:
    """Run by ``pytest -m slow tests/fault_injection/fuzz``."""
    assert fuzz(kind, 100, 1, tmp_path / "found").findings == []


@pytest.mark.quick
def test_the_same_seed_gives_the_same_mutants() -> None:
    first, again, other = (list(mutants("recipe", 20, seed)) for seed in (0, 0, 1))
    assert first == again
    assert first != other


@pytest.mark.quick
@pytest.mark.parametrize("mutate", [of_bytes, of_text, of_json])
def test_a_mutant_is_another_file(mutate: object) -> None:
    seed = b'{"name": "main", "sizes": [1, 2, 3], "inner": {"a": "b"}}'
    changed = [mutate(seed, [seed], random.Random(n)) != seed for n in range(50)]  # type: ignore[operator]
    assert sum(changed) > 40


def test_what_was_found_stands_below_the_table(tmp_path: Path) -> None:
    result = Result("recipe")
    result.outcomes.update({"refused": 3, "crash": 1})
    result.findings.append(("crash", tmp_path / "a.toml", "SIGSEGV: gone\n"))
    text = table([result])
    assert "| recipe | 4 | 0 | 3 | 0 | 1 |" in text
    assert text.endswith("a.toml: SIGSEGV: gone")


@pytest.mark.quick
def test_files_that_stay_are_found(tmp_path: Path) -> None:
    child = Watched("recipe", tmp_path)
    assert child.left() == []
    stayed = [tmp_path / "evil.png", tmp_path / "temporary/a", tmp_path / "work/b"]
    for path in stayed:
        path.touch()
    assert child.left() == stayed


def test_a_kill_before_every_change_on_disk_loses_nothing(tmp_path: Path) -> None:
    """Stages, checkpoints and a run that is replaced, without TensorFlow."""
    command = [sys.executable, "-m", "tests.fault_injection.fuzz.steps", str(tmp_path)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    moments, *problems = done.stdout.splitlines()
    assert problems == []
    assert int(moments) > 30


@pytest.mark.slow
def test_three_kills_of_a_run_lose_nothing(tmp_path: Path) -> None:
    """A hundred are run by ``python -m tests.fault_injection.fuzz kill``."""
    tally = Killer(tmp_path, seed=3, techniques=False).kill(3)
    assert tally.problems == []
    assert tally.kills.total() == 3
    assert tally.finished >= 1
