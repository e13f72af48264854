"""What an exporter refuses is told of the file of the run."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Dataset, Split
from edgecv.core.errors import StepError
from edgecv.core.registry import EXPORTERS
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.export import PlannedExport, RunExports
from edgecv.system.storage import Store

pytestmark = pytest.mark.quick
SPLIT = Split(np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64), "0" * 64)


def refuse(model: object, exporter: object, images: object, path: Path) -> None:
    raise StepError(path.name, "int8 was asked for", remedy="choose float16")


def test_it_is_called_as_in_the_run(tmp_path: Path) -> None:
    data = Dataset("data", ("a", "b"), SPLIT, SPLIT, SPLIT, SPLIT)
    context: Any = SimpleNamespace(
        store=Store(tmp_path),
        emit=lambda stage, message: None,
        converter=SimpleNamespace(export=refuse),
    )
    exporter = EXPORTERS.get("tflite", "test")(precision="int8")
    model = tmp_path / "model.keras"
    model.write_bytes(b"model")
    planned = PlannedExport("int8.tflite", exporter, False)
    with pytest.raises(StepError, match=r"^int8\.tflite: int8 was asked for; choose float16$"):
        RunExports(data, tmp_path, context).export(planned, ModelFile.at(model))
