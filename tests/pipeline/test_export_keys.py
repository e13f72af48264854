"""What stored exports are known by."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Dataset, Split
from edgecv.core.plugins import Exporter
from edgecv.core.registry import EXPORTERS
from edgecv.formats.onnx import exporter as onnx_exporter
from edgecv.pipeline.export import PlannedExport, RunExports
from edgecv.pipeline.mixed import _chosen
from edgecv.pipeline.mixed.search import LayerChoice
from edgecv.pipeline.recipe.from_flags import CompressOptions

pytestmark = pytest.mark.quick
SPLIT = Split(np.zeros((4, 8, 8, 1), np.uint8), np.zeros(4, np.int64), "0" * 64)
DATA = Dataset("data", ("a", "b"), SPLIT, SPLIT, SPLIT, SPLIT)
MODEL: Any = SimpleNamespace(sha256="m")


def exporter(format_: str, precision: str, **options: Any) -> Exporter:
    return EXPORTERS.parse({"format": format_, "precision": precision, **options}, "export")


def key_of_file(made_by: Exporter, folder: Path) -> str:
    context: Any = None
    return RunExports(DATA, folder, context)._key(made_by, MODEL, SPLIT.images)


def key_of_layers(made_by: Exporter, folder: Path) -> str:
    """Return the key that the chosen precisions of the layers are stored under."""
    keys: list[str] = []

    def stage(kind: str, key: str, make: object) -> Path:
        keys.append(key)
        choice = LayerChoice(layers={}, notes=[])
        (folder / "choice.json").write_text(choice.model_dump_json())
        return folder

    store = SimpleNamespace(find=lambda kind, key: None, stage=stage, forget=lambda key: None)
    context: Any = SimpleNamespace(store=store, emit=lambda stage, message: None)
    recipe = CompressOptions(data="digits", name="own", quantize="mixed", max_drop=1.0).to_recipe()
    model: Any = SimpleNamespace(data=DATA, recipe=recipe, source=MODEL)
    _chosen(PlannedExport("mixed.onnx", made_by, False), model, MODEL, None, context)
    return keys[0]


@pytest.mark.parametrize("key_of", [key_of_file, key_of_layers])
def test_weights_of_7_bits_are_of_the_processor_that_they_were_chosen_on(
    key_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that two processors see gave each the file of the other."""

    def is_shared(made_by: Exporter) -> bool:
        keys = set()
        for saturates in (True, False):
            monkeypatch.setattr(onnx_exporter, "may_saturate", lambda found=saturates: found)
            keys.add(key_of(made_by, tmp_path))
        return len(keys) == 1

    assert not is_shared(exporter("onnx", "int8"))
    assert not is_shared(exporter("onnx", "mixed"))
    assert is_shared(exporter("onnx", "int8", weight_range="full"))
    assert is_shared(exporter("onnx", "mixed", weight_range="reduced"))
    assert is_shared(exporter("onnx", "float32"))
    assert is_shared(exporter("tflite", "int8"))
