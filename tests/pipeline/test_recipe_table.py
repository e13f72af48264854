from dataclasses import replace
from pathlib import Path

import pytest
from small_report import COMPARISON, REPORT, STATISTICS, TWIN

from edgecv.core.comparison import ControlComparison
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


@pytest.mark.quick
def test_several_seeds_are_one_row_with_mean_and_spread() -> None:
    reports = []
    for seed, (value, points) in enumerate(((0.80, -10.0), (0.82, -8.0), (0.81, -12.0))):
        beside = ControlComparison(0.9, points - 1, STATISTICS, decides=True)
        file = replace(COMPARISON, value=value, difference_points=points, control=beside)
        reports.append(
            replace(
                REPORT,
                name="run" if not seed else f"run-seed{seed}",
                recipe={**REPORT.recipe, "seed": seed},
                comparisons=(TWIN, file),
                outcome="failed" if seed else "passed",
            )
        )
    page = to_markdown(reports)
    (row,) = [line for line in page.splitlines() if line.startswith("| run")]
    assert row.startswith("| run | int8.tflite | 100 | 90 | 81.00% ± 1.00% | -10.00 ± 2.00 |")
    assert " | -11.00 ± 2.00 | " in row
    assert row.endswith("| 1 of 3 passed |")
    assert "mean over 3 seeds" in page
    assert " | gzip -9 | accuracy | points | " in page
    untimed = replace(reports[0], comparisons=(TWIN, replace(file, speedup=None)))
    assert "| 0.00 |" not in to_markdown([untimed]), "what was not timed has no speed-up"
    maps = replace(reports[0], recipe={**reports[0].recipe, "task": {"task": "segmentation"}})
    assert " | gzip -9 | mIoU | points | " in to_markdown([maps])
    assert " | gzip -9 | metric | points | " in to_markdown([maps, replace(reports[0], name="a")])
    alone = to_markdown(reports[:1])
    assert "±" not in alone
    assert "mean over" not in alone


@pytest.mark.quick
def test_float32_files_that_are_asked_for_are_rows() -> None:
    """A recipe of float32 files in two formats had none."""
    artifact = replace(TWIN.artifact, precision="float32")
    tflite = replace(TWIN, artifact=artifact)
    onnx = replace(TWIN, artifact=replace(artifact, path="float32.onnx", format="onnx"))
    asked = [{"format": each, "precision": "float32"} for each in ("tflite", "onnx")]
    recipe = {**REPORT.recipe, "technique": [], "export": asked}
    both = replace(REPORT, recipe=recipe, comparisons=(tflite, onnx))
    for file in ("float32.tflite", "float32.onnx"):
        assert f"| run | {file} |" in to_markdown([both])
    beside = replace(both, comparisons=(tflite, COMPARISON))
    assert "| run | float32.tflite |" in to_markdown([beside])
    compressed = replace(beside, recipe={**recipe, "technique": REPORT.recipe["technique"]})
    assert "float32.tflite" not in to_markdown([compressed])


@pytest.mark.slow
@pytest.mark.quick
def test_a_report_without_a_seed_is_a_row() -> None:
    recipe = {key: value for key, value in REPORT.recipe.items() if key != "seed"}
    assert f"| {REPORT.name} |" in to_markdown([replace(REPORT, recipe=recipe)])


def test_each_seed_is_a_run_of_its_own_and_is_found_again(output: Path, tmp_path: Path) -> None:
    recipe = write(tmp_path, "table-s", "float16")
    (tmp_path / "table-s.toml").write_text(recipe.read_text().replace("epochs = 3", "epochs = 1"))
    reports = run_all([recipe], None, Store(output), seeds=2)
    assert [(each.name, each.recipe["seed"]) for each in reports] == [
        ("table-s", 0),
        ("table-s-seed1", 1),
    ]
    events: list[Event] = []
    assert run_all([recipe], None, Store(output), seeds=2, on_event=events.append) == reports
    assert events == []
