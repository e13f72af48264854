from pathlib import Path

import pytest

from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.pipeline.recipe_table import run_all, to_markdown
from edgecv.system.storage import Store

RECIPE = """
name = "NAME"
[data]
source = "digits"
[baseline.training]
epochs = 3
minimum_steps = 0
[[export]]
format = "tflite"
precision = "PRECISION"
"""


def write(folder: Path, name: str, precision: str) -> Path:
    path = folder / f"{name}.toml"
    path.write_text(RECIPE.replace("NAME", name).replace("PRECISION", precision))
    return path


def test_recipes_are_run_once_and_shown_and_not_taken_for_others(
    output: Path, tmp_path: Path
) -> None:
    recipes = [write(tmp_path, "table-a", "int8"), write(tmp_path, "table-b", "float16")]
    first = run_all(recipes, None, Store(output))
    events: list[Event] = []
    assert run_all(recipes, None, Store(output), on_event=events.append) == first
    assert events == []
    page = to_markdown(first)
    assert page.count("the baseline has 122,570 parameters") == 1
    assert "| table-a | int8.tflite |" in page
    assert "| table-b | float16.tflite |" in page
    assert "float32.tflite" not in page
    with pytest.raises(InputError, match="is a run of another recipe"):
        run_all([write(tmp_path, "table-a", "dynamic")], None, Store(output))
