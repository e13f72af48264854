"""The float32 twin that files are held against: given, or exported from the Keras baseline."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecv.errors import RuntimeFailure
from edgecv.measuring import File, runtime_of_file
from edgecv.reading import AS_IT_SAYS, Reading
from edgecv.records import TWIN_STEM
from edgecv.stored import Stored
from edgecv.trust import Trust

SECONDS = 300
# As in the worker: the child finds this package where the parent found it, and nothing in the
# working directory.
PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from edgecv.diagnosis.twin_child import main; main()"
)
PACKAGES = str(Path(__file__).parents[2])


@dataclass(frozen=True)
class Twin:
    """A float32 file of the format, and the names of its kernels' layers where they are known."""

    path: Path
    reading: Reading = AS_IT_SAYS
    names: tuple[str, ...] = ()


def given_twin(
    file_format: str, baseline: Path | None, reading: Reading, files: Sequence[File]
) -> Twin | None:
    """Return the twin that was given: the baseline, or a file called float32 of the format."""
    if baseline is not None and runtime_of_file(baseline).format == file_format:
        return Twin(baseline, reading)
    if baseline is not None and runtime_of_file(baseline).needs_tensorflow:
        return None  # What is exported from it is sure to be its own.
    for file in files:
        if file.artifact.format == file_format and file.path.stem == TWIN_STEM:
            return Twin(file.path, file.reading)
    return None


def is_float(stored: Stored) -> bool:
    """Tell whether a file may be a twin: its weights are all float32."""
    return bool(stored.kernels) and all(each.type == "float32" for each in stored.kernels)


def export_twin(
    baseline: Path, reading: Reading, file_format: str, folder: Path, trust: Trust
) -> Twin:
    """Export a Keras baseline in float32, in a child: this process stays without TensorFlow.

    Raises RuntimeFailure with one line where that cannot be done.
    """
    path = folder / f"{TWIN_STEM}.{file_format}"
    settings = {
        "baseline": os.path.abspath(baseline),
        "format": file_format,
        "path": str(path),
        "trust": trust.model_dump(mode="json"),
    }
    child = subprocess.Popen(
        [sys.executable, "-P", "-c", PROGRAM, PACKAGES, json.dumps(settings)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    try:
        answer, _ = child.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        raise RuntimeFailure(str(baseline), f"its twin took longer than {SECONDS} s") from None
    finally:
        if child.poll() is None:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
    try:
        said = json.loads(answer.splitlines()[-1])
        if "failure" in said:
            raise RuntimeFailure(str(baseline), str(said["failure"]))
        return Twin(path, reading, tuple(map(str, said["names"])))
    except (ValueError, IndexError, KeyError, TypeError):
        raise RuntimeFailure(
            str(baseline), f"the process that exports it ended with status {child.returncode}"
        ) from None
