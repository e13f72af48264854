"""The space of a search: recipes that go together, each in the order of its techniques."""

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from known_search import KnowingEngine

from edgecv.core.errors import InputError
from edgecv.pipeline.recipe.checks import check_order, check_precisions, check_trainings
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.recipe.search_space import SearchSpace, Span
from edgecv.pipeline.run import run
from edgecv.pipeline.search.look import look_at
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.space import (
    LADDER,
    FixedDraw,
    candidates_of,
    drawn_recipe,
    first_recipes,
    reachable,
    space_of,
    techniques_of,
)
from edgecv.pipeline.search.trial import steps_of
from edgecv.system.storage import Store

pytestmark = pytest.mark.quick


def base(**options: Any) -> Any:
    return SearchOptions(data="digits", formats="tflite", **options).to_recipe()


def test_every_recipe_of_the_space_is_one_that_compress_takes() -> None:
    start = base(quantize="int8", max_gzip=20_000)
    space = space_of(start).model_copy(update={"quantize": ("int8", "float16")})
    chance = random.Random(0)
    names = set()
    training = {"epochs": 2, "mixed_precision": "bfloat16"}
    for _ in range(200):
        recipe = drawn_recipe(
            space, start, lambda name, values: chance.choice(list(values)), training
        )
        check_order(recipe.techniques, "here")
        check_precisions(recipe.techniques, recipe.exports, "here")
        check_trainings(recipe.techniques, "here")
        parse_recipe(recipe.table(), "here")  # As a trial is read: of float16 it was refused.
        names |= {each.name for each in recipe.techniques}
    assert names == set(space.technique)
    assert {"prune", "cluster"} <= names
    assert "prune" not in space_of(base()).technique


def test_the_first_recipes_are_in_the_space_the_cheapest_first() -> None:
    start, steps = base(), []
    for each in LADDER:
        steps.append(steps_of(drawn_recipe(space_of(start), start, FixedDraw(each), {})))
    assert steps[:4] == ["int8", "equalize, bias_correction, int8", "adaround, int8", "qat, int8"]
    # A student is one training; narrower networks are two.
    assert [each.split()[0] for each in steps[4:]] == ["student", "student", "shrink", "shrink"]


def test_the_first_recipes_of_a_small_space_are_each_there_once() -> None:
    """Three of four were the plain one, and a generation that trains nothing had qat."""
    space = SearchSpace(technique={"qat": {}})
    found = first_recipes(space, base(), {})
    assert [(steps_of(each.recipe), each.trains) for each in found] == [
        ("int8", False), ("qat, int8", True)
    ]  # fmt: skip


def test_what_does_not_fit_the_model_is_not_offered() -> None:
    start = base()
    whole = space_of(start)
    candidates = candidates_of(whole, {})
    unfit = ["no layer" if each.name in ("qat", "shrink") else "" for each in candidates]
    space, reasons = reachable(whole, candidates, unfit)
    assert reasons == {"qat": "no layer", "shrink": "no layer"}

    def last(name: str, values: Sequence[Any]) -> Any:
        return values[-1]

    taken = [each.name for each in drawn_recipe(space, start, last, {}).techniques]
    assert taken == ["student", "equalize", "bias_correction"]


def test_values_that_the_model_cannot_reach_are_left_out_alone() -> None:
    keep = {"low": 0.1, "high": 0.4, "step": 0.1}
    options = {"keep": keep, "ranking": {"choices": ["l1", "taylor"]}}
    space = SearchSpace(technique={"shrink": options, "qat": {}})
    candidates = candidates_of(space, {})
    # The low end is out of reach beside each ranking: that is no fault of the ranking.
    unfit = [
        "too few" if each.name == "shrink" and each.technique.model_dump()["keep"] < 0.25 else ""
        for each in candidates
    ]
    found, reasons = reachable(space, candidates, unfit)
    assert found.values("shrink") == {"keep": (0.3, 0.4), "ranking": ("l1", "taylor")}
    assert reasons == {"shrink keep 0.1": "too few", "shrink keep 0.2": "too few"}
    assert found.technique["qat"] == {}
    assert reachable(space, candidates, [""] * len(candidates)) == (space, {})


def test_the_precisions_that_are_given_are_searched() -> None:
    """--quantize was accepted, and int8 searched."""
    start = base(quantize="float16")
    assert space_of(start).quantize == ("float16",)
    half = [steps_of(each.recipe) for each in first_recipes(space_of(start), start, {})]
    assert half[0] == "float16"
    assert len(set(half)) == len(half)
    only = SearchOptions(data="digits", quantize="float16").to_recipe()
    assert [each.format for each in only.exports] == ["tflite"]
    both = base(quantize="float16,int8", io="uint8", calibration_images=100, pack="off")
    space = space_of(both)
    assert space.quantize == ("float16", "int8")
    assert "student" in space.technique
    kept = {"precision", "io", "calibration_images", "pack"}
    found = []
    for place in (0, 1):
        recipe = drawn_recipe(
            space, both, lambda name, each, at=place: each[at if name == "quantize" else 0], {}
        )
        found += [each.model_dump(include=kept) for each in recipe.exports]
    assert found == [
        {"precision": "float16", "io": None, "calibration_images": None, "pack": "off"},
        {"precision": "int8", "io": "uint8", "calibration_images": 100, "pack": "off"},
    ]


def test_files_of_several_formats_are_not_compared() -> None:
    """The second one was accepted, and not written."""
    for formats in ("tflite,onnx", ("onnx", "tflite")):
        with pytest.raises(InputError, match=r"--format .*: recipes are compared by one file each"):
            SearchOptions(data="digits", formats=formats).to_recipe()
    said: list[str] = []
    options = SearchOptions(data="digits")
    look_at(options.to_recipe(), options, KnowingEngine(), said.append, trains_teacher=False)
    assert said[0] == "recipes are compared by .tflite files: --format names others"
    options = SearchOptions(data="digits", formats="onnx")
    look_at(options.to_recipe(), options, KnowingEngine(), said.append, trains_teacher=False)
    assert sum("are compared by" in each for each in said) == 1


def test_classes_of_a_model_have_weights_where_a_search_trains() -> None:
    """It was refused, as MODEL is only converted."""
    asked = SearchOptions(data="digits", model="m.keras", class_weights="balanced")
    assert asked.to_recipe().task.weighs_classes
    converted = CompressOptions(data="digits", model="m.keras", class_weights="balanced")
    with pytest.raises(InputError, match=r"--class-weights: is for a training"):
        converted.to_recipe()


def test_a_value_that_is_not_in_the_space_is_refused() -> None:
    start = base()
    with pytest.raises(InputError, match=r"shrink.keep: 0.33 is not in the space"):
        drawn_recipe(space_of(start), start, FixedDraw({"shrink": {"keep": 0.33}}), {})


def test_options_of_a_technique_beside_others_are_those_of_the_command_line() -> None:
    shrink, _, qat = techniques_of({"shrink": {"keep": 0.5}, "distil": {}, "qat": {}}, {})
    assert shrink.model_dump()["fine_tune"] is False
    assert qat.model_dump()["distil"] is not None
    asked = SearchOptions(data="digits", model="m.keras", epochs=2)
    assert asked.training == {"epochs": 2, "minimum_steps": 0}
    assert SearchOptions(data="digits", epochs=2).training == {}
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


@pytest.mark.parametrize("space", ["", 'quantize = ["int8", "float16"]\n'])
def test_a_table_without_techniques_leaves_the_usual_ones(tmp_path: Path, space: str) -> None:
    """It was a space without techniques: one recipe, tried for an hour."""
    start = SearchOptions(recipe=with_space(tmp_path, space)).to_recipe()
    found = space_of(start)
    assert {"shrink", "distil", "qat", "student"} <= set(found.technique)
    assert found.quantize == (("int8", "float16") if space else ("int8",))
    nothing = SearchOptions(recipe=with_space(tmp_path, "technique = {}\n")).to_recipe()
    assert not space_of(nothing).technique


def with_space(folder: Path, space: str) -> Path:
    path = folder / "recipe.toml"
    path.write_text(
        'name = "a"\n[data]\nsource = "digits"\n[[export]]\nformat = "tflite"\n'
        f'precision = "int8"\n[search]\n{space}'
    )
    return path


def test_a_space_of_precisions_that_its_format_has_not_is_refused(tmp_path: Path) -> None:
    """It ended the search in its second generation, and again each time that it went on."""
    path = with_space(tmp_path, 'quantize = ["int8", "int16x8"]\n')
    assert SearchOptions(recipe=path).to_recipe().search is not None
    path.write_text(path.read_text().replace('"tflite"', '"onnx"'))
    with pytest.raises(InputError, match=r"recipe\.toml, \[search\] quantize int16x8: onnx files"):
        SearchOptions(recipe=path).to_recipe()
    with pytest.raises(InputError, match=r"--quantize int16x8: onnx files cannot be written so"):
        SearchOptions(data="digits", quantize="int8,int16x8", formats=("onnx",)).to_recipe()


def test_a_recipe_says_another_space(tmp_path: Path) -> None:
    path = with_space(
        tmp_path,
        'quantize = ["int8", "float16"]\n[search.technique.shrink]\n'
        'keep = { low = 0.2, high = 0.4, step = 0.1 }\nranking = { choices = ["l1", "taylor"] }\n'
        "[search.technique.qat]\n",
    )
    start = SearchOptions(recipe=path).to_recipe()
    chance, found = random.Random(1), set()
    for _ in range(300):
        recipe = drawn_recipe(
            space_of(start), start, lambda _, values: chance.choice(list(values)), {}
        )
        found.add(steps_of(recipe))
        assert recipe.search is None
    assert len(found) == 7 * 2 + 7  # Without qat in both precisions, with it as int8 alone.
    assert "shrink keep 0.3 ranking taylor, qat, int8" in found
    again = parse_recipe(start.table(), "again")
    assert again.search == start.search
    with pytest.raises(InputError, match=r"a: has \[search\], which is for edgecv search"):
        run(CompressOptions(recipe=path).to_recipe(), Store(tmp_path / "out"))
    assert not (tmp_path / "out/a").exists()


@pytest.mark.parametrize(
    ("space", "found"),
    [
        ("[search.technique.shrnk]\n", 'did you mean "shrink"'),
        ("[search.technique.shrink]\nkep = 0.5\n", 'unknown key "kep"'),
        ("[search.technique.shrink]\nkeep = { choices = [0.5, 2] }\n", '"keep" is 2'),
        ("[search.technique.shrink]\nkeep = { low = 0.5 }\n", '"high" is missing'),
        ("[search.technique.shrink]\nkeep = { choices = [] }\n", "choices"),
        ("quantise = 1\n", 'unknown key "quantise"'),
        ('quantize = ["int8", "int9"]\n', 'quantize int9: "int9" is not known'),
    ],
)
def test_a_wrong_space_is_refused(space: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        SearchOptions(recipe=with_space(tmp_path, space)).to_recipe()
    assert found in str(error.value)
    assert "search" in str(error.value)
