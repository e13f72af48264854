"""A process that may take little memory says so, and leaves nothing half-way."""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from edgecv.cli.console import Screen
from edgecv.core.errors import StepError

TOO_LITTLE_BYTES = 1_500_000_000
"""Of address space: enough for the data, not for TensorFlow."""


def test_too_little_memory_for_tensorflow_is_one_line(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (TOO_LITTLE_BYTES, TOO_LITTLE_BYTES))

    done = subprocess.run(
        [sys.executable, "-m", "edgecv", "compress", "--data", "digits", "--epochs", "1"],
        cwd=tmp_path,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 3
    last = done.stderr.splitlines()[-1]
    # Where it runs out is chance: while TensorFlow is loaded, or before.
    assert last.startswith(
        ("edgecv: tensorflow: cannot be loaded: ", "edgecv: memory: there is not enough of it")
    )
    assert "see ulimit -v" in last
    assert "Traceback" not in done.stderr
    assert {path.name for path in (tmp_path / "exported").iterdir()} == {".store", ".partial"}
    assert not list((tmp_path / "exported" / ".partial").iterdir())


def test_memory_that_runs_out_is_not_called_a_bug() -> None:
    with pytest.raises(StepError, match="memory: there is not enough of it"), Screen():
        raise MemoryError
