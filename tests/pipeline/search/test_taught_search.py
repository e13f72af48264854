"""A recipe with [search] that names a teacher: it is there before the first trial."""

import zipfile
from collections.abc import Sequence
from concurrent.futures import Future
from pathlib import Path

import pytest

from edgecv.core.errors import InputError
from edgecv.core.plugins import Technique
from edgecv.core.report import Report
from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe, load_recipe, parse_recipe
from edgecv.pipeline.search.engines.contract import (
    Further,
    MayBegin,
    ModelAndData,
    always,
    no_further,
)
from edgecv.pipeline.search.look import look_at
from edgecv.pipeline.search.options import SearchOptions

pytestmark = pytest.mark.quick

RECIPE = """
name = "taught"
unlabelled = "{more}"
[data]
source = "digits"
[baseline]
architecture = "ds_cnn"
[baseline.teacher.network]
architecture = "plain_cnn"
[[export]]
format = "tflite"
precision = "int8"
[search]
[search.technique.{technique}]
"""


class LookingEngine:
    """Says that all techniques fit, and keeps what it was asked to look at."""

    workers = 1
    seen: Recipe

    def look(self, recipe: Recipe, candidates: Sequence[Technique]) -> ModelAndData:
        self.seen = parse_recipe(recipe.table(), "look")  # As a child of the engine reads it.
        images = {"train": 100, "calibration": 10, "validation": 50, "test": 50}
        count = len(candidates)
        return ModelAndData(images, {}, True, [""] * count, 1000, [1000] * count, 0.01)

    def submit(
        self, recipe: Recipe, may_begin: MayBegin = always, further: Further = no_further
    ) -> Future[Report | None]:
        raise NotImplementedError

    def close(self) -> None: ...


def looked_at(folder: Path, technique: str, *, trains_teacher: bool = True) -> Recipe:
    (folder / "more").mkdir(exist_ok=True)
    path = folder / "r.toml"
    path.write_text(RECIPE.format(more=folder / "more", technique=technique))
    options = SearchOptions(recipe=str(path))
    engine = LookingEngine()
    look_at(options.to_recipe(), options, engine, print, trains_teacher=trains_teacher)
    return engine.seen


def test_a_teacher_and_images_without_labels_are_opened_before_the_first_trial(
    tmp_path: Path,
) -> None:
    seen = looked_at(tmp_path, "distil")
    assert isinstance(seen.baseline.teacher, TeacherNetwork)
    assert seen.settings.unlabelled == str(tmp_path / "more")
    plan = looked_at(tmp_path, "distil", trains_teacher=False)
    assert plan.baseline.teacher is None


def test_a_plan_opens_no_teacher_and_refuses_what_is_none(tmp_path: Path) -> None:
    """Its answers were written to the output folder, and the baseline was trained for them."""
    file = tmp_path / "wide.keras"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("config.json", "{}")
    engine = LookingEngine()

    def plan(teacher: Path) -> Recipe:
        options = SearchOptions(data="digits", teacher=str(teacher))
        look_at(options.to_recipe(), options, engine, print, trains_teacher=False)
        return engine.seen

    assert plan(file).baseline.teacher is None
    other = tmp_path / "wide.txt"
    other.write_text("no model")
    with pytest.raises(InputError, match=r"wide\.txt"):
        plan(other)


def test_a_teacher_whom_nothing_of_the_space_asks_is_left_alone(tmp_path: Path) -> None:
    seen = looked_at(tmp_path, "adaround")
    assert (seen.baseline.teacher, seen.settings.unlabelled) == (None, None)


def test_a_recipe_without_a_search_needs_a_technique_that_learns(tmp_path: Path) -> None:
    looked_at(tmp_path, "distil")
    path = tmp_path / "r.toml"
    path.write_text(path.read_text().partition("[search]")[0])
    with pytest.raises(InputError, match=r"no technique learns from one; .* or \[search\]"):
        load_recipe(path)
