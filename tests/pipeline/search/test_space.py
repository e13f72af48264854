"""The space of a search: recipes that go together, each in the order of its techniques."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from edgecv.core.errors import InputError
from edgecv.pipeline.recipe.recipe import check_order, check_precisions, check_trainings
from edgecv.pipeline.recipe.search_space import SearchSpace, Span
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.space import (
    LADDER,
    FixedDraw,
    drawn_recipe,
    space_of,
    techniques_of,
)
from edgecv.pipeline.search.trial import steps_of

pytestmark = pytest.mark.quick


def base(**options: Any) -> Any:
    return SearchOptions(data="digits", formats="tflite", **options).to_recipe()


def test_every_recipe_of_the_space_is_one_that_compress_takes() -> None:
    start = base(quantize="int8", max_gzip=20_000)
    space = space_of(start).model_copy(update={"quantize": ("int8", "float16")})
    chance = random.Random(0)
    names = set()
    for _ in range(200):
        recipe = drawn_recipe(space, start, lambda name, values: chance.choice(list(values)), {})
        check_order(recipe.techniques, "here")
        check_precisions(recipe.techniques, recipe.exports, "here")
        check_trainings(recipe.techniques, "here")
        names |= {each.name for each in recipe.techniques}
    assert names == set(space.technique)
    assert {"prune", "cluster"} <= names
    assert "prune" not in space_of(base()).technique


def test_the_first_recipes_are_in_the_space_the_cheapest_first() -> None:
    start, steps = base(), []
    for each in LADDER:
        steps.append(steps_of(drawn_recipe(space_of(start), start, FixedDraw(each), {})))
    assert steps[:4] == ["int8", "equalize, bias_correction, int8", "adaround, int8", "qat, int8"]
    assert steps[4] == "shrink keep 0.5, distil, qat, int8"


def test_what_does_not_fit_the_model_is_not_offered() -> None:
    start = base()
    space = space_of(start).without(["qat", "shrink"])

    def last(name: str, values: Sequence[Any]) -> Any:
        return values[-1]

    taken = [each.name for each in drawn_recipe(space, start, last, {}).techniques]
    assert taken == ["student", "equalize", "bias_correction"]


def test_a_value_that_is_not_in_the_space_is_refused() -> None:
    start = base()
    with pytest.raises(InputError, match=r"shrink.keep: 0.33 is not in the space"):
        drawn_recipe(space_of(start), start, FixedDraw({"shrink": {"keep": 0.33}}), {})


def test_options_of_a_technique_beside_others_are_those_of_the_command_line() -> None:
    shrink, _, qat = techniques_of({"shrink": {"keep": 0.5}, "distil": {}, "qat": {}}, {})
    assert shrink.model_dump()["fine_tune"] is False
    assert qat.model_dump()["distil"] is not None
    (alone,) = techniques_of({"qat": {}}, {"epochs": 2, "minimum_steps": 0})
    assert alone.trainings[0].epochs == 2


def test_a_span_has_its_ends() -> None:
    assert Span(low=0.15, high=0.9, step=0.05).values[::15] == (0.15, 0.9)
    with pytest.raises(ValueError, match="a high end above the low one"):
        Span(low=1, high=0.5, step=0.1)


def test_a_recipe_with_techniques_is_not_searched(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_text(
        'name = "a"\n[data]\nsource = "digits"\n[[technique]]\ntechnique = "qat"\n'
        '[[export]]\nformat = "tflite"\nprecision = "int8"\n'
    )
    with pytest.raises(InputError, match=r"has techniques of its own, and a search chooses them"):
        SearchOptions(recipe=path).to_recipe()


def test_the_space_of_one_technique() -> None:
    start = base()
    space = SearchSpace(technique={"qat": {}})
    found = {
        steps_of(
            drawn_recipe(
                space, start, lambda _, values, at=at: values[min(at, len(values) - 1)], {}
            )
        )
        for at in (0, 1)
    }
    assert found == {"int8", "qat, int8"}
