"""``io`` chooses what an int8 file takes: another type at the door, the same answers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny_models
from exported_runs import Runtimes

from edgecv.core.registry import EXPORTERS

IO = ("uint8", "int8", "float32")


@pytest.mark.parametrize("file_format", ["tflite", "onnx"])
@pytest.mark.parametrize("name", [pytest.param("plain", marks=pytest.mark.slow), "modern"])
def test_another_type_at_the_door_changes_no_answer(
    file_format: str,
    name: str,
    network: Callable[[str], Any],
    runtimes: Runtimes,
    tmp_path: Path,
) -> None:
    answers = {}
    for io in IO:
        path = tmp_path / f"{io}.{file_format}"
        exporter = EXPORTERS.get(file_format, "test")(precision="int8", io=io)
        exporter.export(network(name), tiny_models.images(100), path)
        facts = runtimes.open(path)
        assert facts.input.type == io
        assert (facts.output.type == "float32") == (io == "float32")
        answers[io] = runtimes.predict(path).only
    step = 1 / 256
    for io in ("int8", "float32"):
        same = answers[io].argmax(axis=1) == answers["uint8"].argmax(axis=1)
        assert same.mean() > 0.97
        assert np.median(np.abs(answers[io] - answers["uint8"])) <= step
