"""Handed models that ended in "other scales" after all the training: both formats are written."""

from pathlib import Path

import pytest
from paths import SHARED

from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.run import run
from edgecv.system.storage import Store

CASES = SHARED / "cases"
AT_LEAST = {
    "dense_on_images_bn.h5": 0.90,
    "transpose_upsampling.keras": 0.92,
    "concat_branches.keras": 0.90,
}
"""Accuracies after one epoch; the right values after a whole training are two points above."""


@pytest.mark.skipif(not CASES.exists(), reason="the handed cases are not here")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name.endswith(".h5") else pytest.mark.slow)
        for name in AT_LEAST
    ],
)
def test_quantization_aware_training_ends_in_the_files_of_both_formats(
    name: str, tmp_path: Path
) -> None:
    recipe = parse_recipe(
        {
            "name": "qat",
            "data": {"source": "npz", "path": str(CASES / "digits32.npz")},
            "baseline": {"model": str(CASES / name)},
            "technique": [
                {"technique": "qat", "training": {"epochs": 1, "minimum_steps": 0, "shift": 0}}
            ],
            "export": [
                {"format": "tflite", "precision": "int8"},
                {"format": "onnx", "precision": "int8"},
            ],
        },
        "test",
    )
    report = run(recipe, Store(tmp_path))
    candidates = [each for each in report.comparisons if not each.is_twin]
    assert {each.artifact.path for each in candidates} == {"int8.tflite", "int8.onnx"}
    for each in candidates:
        assert each.value is not None
        assert each.value >= AT_LEAST[name]
    assert any("have the same scales and zero points" in note for note in report.notes)
