"""What a child may not do, as the system itself says it: dump core, write much, take all memory."""

import re
import time
from pathlib import Path

import numpy as np
import pytest

from edgecv.core.errors import RuntimeFailure
from edgecv.models.tf import load_tensorflow
from edgecv.system.isolation import ModelClient
from edgecv.system.isolation.model_client import LARGEST_FILE_WRITTEN_BYTES


def limits_of(pid: int) -> dict[str, str]:
    """Return the soft limits of a process by their names."""
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()[1:]
    return {match[1]: match[2] for line in lines if (match := re.match(r"(.+?) {2,}(\S+)", line))}


@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_a_child_has_limits_before_it_sees_a_file(runtime: str) -> None:
    with ModelClient(runtime, threads=1, memory_limit_bytes=2**30) as worker:
        assert worker.pid is not None
        deadline = time.monotonic() + 60
        # Its log is a file that it writes: the limit on these bounds what it may say as well.
        # The address space is limited last.
        while (limits := limits_of(worker.pid))["Max address space"] == "unlimited":
            assert time.monotonic() < deadline, "it never took its limits"
            time.sleep(0.05)
    assert limits["Max file size"] == str(LARGEST_FILE_WRITTEN_BYTES)
    assert limits["Max core file size"] == "0"
    assert 2**30 < int(limits["Max address space"]) < 8 * 2**30


def test_a_keras_model_that_takes_all_memory_is_refused(tmp_path: Path) -> None:
    """Its file is small: what it makes of a few images is not."""
    _, keras = load_tensorflow()
    layers = keras.layers
    entering = layers.Input((8, 8, 3))
    grown = layers.UpSampling2D(1024)(entering)
    given = layers.Dense(3, activation="softmax")(layers.GlobalAveragePooling2D()(grown))
    path = tmp_path / "model.keras"
    keras.Model(entering, given).save(path)
    with ModelClient("keras", threads=1, memory_limit_bytes=2**30) as worker:
        with pytest.raises(RuntimeFailure, match="memory"):
            worker.predict(path, np.zeros((16, 8, 8, 3), np.uint8))
        assert worker.open(path).image == (8, 8, 3)
