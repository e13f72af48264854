"""Tight limits of the system: the limit is named, and no good file is called damaged."""

import errno
import math
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from edgecv.core.errors import StepError
from edgecv.models.tf import load_tensorflow
from edgecv.system.system_limits import OwnLimits, as_limit, limit_reached

OWN = OwnLimits(memory_bytes=2**30, cpu_s=10)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    _, keras = load_tensorflow()
    layers, path = keras.layers, tmp_path / "model.keras"
    dense = [layers.Dense(500), layers.Dense(500)]
    keras.Sequential([layers.InputLayer((8, 8, 1)), layers.Flatten(), *dense]).save(path)
    return path


OF_THE_COMMAND = -1
"""Stands for as many seconds as the command itself needs: its child, which imports TensorFlow,
needs more."""
LIMITS = [
    (resource.RLIMIT_NOFILE, 12, ("Too many open files",)),
    (resource.RLIMIT_FSIZE, 0, ("temporary folder", "TMPDIR")),
    (resource.RLIMIT_FSIZE, 100_000, ("File too large", "ulimit -f")),
    (resource.RLIMIT_CPU, OF_THE_COMMAND, ("processor time", "ulimit -t")),
    (resource.RLIMIT_AS, 150_000_000, ("cannot start", "ulimit -v")),
    (resource.RLIMIT_AS, 900_000_000, ("memory", "ulimit -v")),
]


def seconds_of_the_command(folder: Path) -> int:
    """Return whole processor seconds, enough for a command that opens no model."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    missing = [sys.executable, "-m", "edgecv", "inspect", str(folder / "missing.tflite")]
    subprocess.run(missing, capture_output=True, check=False, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return math.ceil(1.5 * used + 1)  # It varies with the load.


def test_the_limit_is_named_and_the_file_is_not_blamed(model: Path) -> None:
    needed = seconds_of_the_command(model.parent)
    for kind, named, words in LIMITS:
        most = needed if named == OF_THE_COMMAND else named

        def limit(kind: int = kind, most: int = most) -> None:
            resource.setrlimit(kind, (most, most))

        done = subprocess.run(
            [sys.executable, "-m", "edgecv", "inspect", str(model)],
            preexec_fn=limit, capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode in (2, 3), (words, done.stderr)
        assert all(word in done.stderr for word in words), (words, done.stderr)
        for wrong in ("damaged", "hostile", "internal error", "Traceback"):
            assert wrong not in done.stderr


@pytest.fixture
def hard_limits(monkeypatch: pytest.MonkeyPatch) -> dict[int, int]:
    limits: dict[int, int] = {}
    infinite = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (infinite, limits.get(kind, infinite)))
    return limits


@pytest.mark.quick
def test_a_death_is_the_files_where_the_system_sets_no_limit(hard_limits: dict[int, int]) -> None:
    for number in (signal.SIGXCPU, signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL):
        assert limit_reached("m.h5", "HDF5 died", number, OWN) is None
    hard_limits[resource.RLIMIT_CPU] = 3600  # Our own limit is the lower one.
    hard_limits[resource.RLIMIT_AS] = 2**40
    for number in (signal.SIGXCPU, signal.SIGABRT, signal.SIGSEGV, signal.SIGKILL):
        assert limit_reached("m.h5", "HDF5 died", number, OWN) is None


@pytest.mark.quick
def test_a_death_is_the_systems_where_its_limit_is_the_lower_one(
    hard_limits: dict[int, int],
) -> None:
    hard_limits[resource.RLIMIT_CPU] = 5
    hard_limits[resource.RLIMIT_AS] = 2**30
    assert "ulimit -t" in str(limit_reached("m.h5", "HDF5 died", signal.SIGXCPU, OWN))
    assert "ulimit -v" in str(limit_reached("m.h5", "HDF5 died", signal.SIGABRT, OWN))
    assert limit_reached("m.h5", "HDF5 refused it", 0, OWN) is None
    assert "ulimit -n" in str(limit_reached("m.h5", "x: Too many open files", 0, OWN))


@pytest.mark.quick
def test_an_error_of_this_process_names_the_limit() -> None:
    found = as_limit(OSError(errno.EMFILE, os.strerror(errno.EMFILE), "a.onnx"))
    assert isinstance(found, StepError)
    assert str(found).startswith("a.onnx: Too many open files; the system's limit on open files")
    assert as_limit(FileNotFoundError(errno.ENOENT, "none", "a.onnx")) is None
    assert as_limit(ValueError()) is None
