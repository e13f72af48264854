"""Options are defined once: what the command line, Python, tests and recipes offer is the same."""

import inspect
import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest

import edgecv
from edgecv.acceptance.testing.assertions import ComparedPair
from edgecv.cli.commands import COMMANDS
from edgecv.cli.from_options import build, options_of
from edgecv.cli.synonyms import COMMAND_SYNONYMS, OPTIONS, option_meant
from edgecv.core.command_options import flag_of, help_of
from edgecv.evaluation.limit_options import option_names
from edgecv.evaluation.limits import Limits, all_limits, limit_details
from edgecv.pipeline.recipe.from_flags import OF_A_NEW_RECIPE, CompressOptions
from edgecv.pipeline.recipe.recipe import load_recipe
from edgecv.pipeline.recipe.schema import recipe_schema

pytestmark = pytest.mark.quick

OPTIONS_OF_COMMANDS = [
    (command, name) for command in COMMANDS for name in options_of(command).model_fields
]


@cache
def parameters_of(command: str) -> dict[str, Any]:
    return {each.name: each for each in build(command).params}


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_has_help_of_whole_sentences(command: str) -> None:
    for name in options_of(command).model_fields:
        words = help_of(options_of(command), name)
        assert words[:1].isupper() or words.startswith((".", "HEIGHT", "test/")), name
        assert words.endswith("."), name
        assert parameters_of(command)[name].help == words


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_a_sentence_and_an_example_that_it_accepts(command: str) -> None:
    listed = COMMANDS[command]
    assert listed.help.endswith(".")
    program, name, *arguments = listed.example.split(" > ")[0].split()
    assert (program, name) == ("edgecv", command)
    made = build(command)
    assert made.epilog == f"Example: {listed.example}"
    made.make_context(command, arguments)


@cache
def keys_of_gates() -> dict[str, Any]:
    return dict(recipe_schema()["properties"]["gates"]["properties"])


@pytest.mark.parametrize("key", all_limits())
def test_every_limit_is_offered_everywhere(key: str) -> None:
    name = option_names()[key]
    for command, function in (("compress", edgecv.compress), ("validate", edgecv.validate)):
        assert name in parameters_of(command)
        assert name in inspect.signature(function).parameters
        assert f"{name}: " in str(function.__doc__)
    assert name in inspect.signature(ComparedPair.assert_limits).parameters
    assert keys_of_gates()[key]["description"].startswith("Fail if ")
    assert Limits.model_fields[key].metadata


def test_every_key_of_limits_is_a_limit_or_says_more_about_one() -> None:
    assert set(Limits.model_fields) == {*all_limits(), *limit_details()}
    assert {detail.limit for detail in limit_details().values()} <= set(all_limits())


@pytest.mark.parametrize(
    ("command", "others"),
    [
        ("search", "or both|^both|files of its own|Name of the run"),
        ("train", "--auto|a MODEL each"),
    ],
)
def test_help_is_of_the_command_itself(command: str, others: str) -> None:
    """search offered two formats, of which it takes one, and train spoke of --auto."""
    for parameter in parameters_of(command).values():
        assert not re.search(others, f"{parameter.show_default}; {parameter.help}"), parameter.name


def test_what_the_help_of_a_recipe_calls_refused_is_refused() -> None:
    """MODEL was called refused, and it takes the place of the recipe's."""
    changed, refused = help_of(CompressOptions, "recipe").rsplit("; ", 1)
    assert refused == "precision, formats, techniques and training are refused beside it."
    assert {"quantize", "formats", "qat", "epochs"} <= set(OF_A_NEW_RECIPE)
    for word, option in {
        "MODEL": "model",
        "device": "on",
        "logs": "log",
    }.items():
        assert word in changed
        assert option not in OF_A_NEW_RECIPE


OF_TRAININGS = {
    "train": ("[baseline.training]", "[baseline]\n[baseline.training]\ndecay = 'cosine'"),
    "compress": (
        "[[technique]]",
        "[[technique]]\ntechnique = 'qat'\ntraining = {decay = 'cosine'}",
    ),
    "search": ("[search.technique.NAME]", "[search.technique.qat]\ntraining = {decay = 'cosine'}"),
}
"""The table that a command's recipe says in how to train, and such a recipe."""


@pytest.mark.parametrize("command", OF_TRAININGS)
def test_options_of_a_training_are_sent_to_a_table_that_the_recipe_of_the_command_takes(
    command: str, tmp_path: Path
) -> None:
    """Beside a MODEL, they were sent to [baseline.training], which is refused there."""
    table, text = OF_TRAININGS[command]
    remedy = option_meant("--decay", command, [])
    assert table in remedy
    assert f"(edgecv {command} --recipe)" in remedy
    assert ("{ ... }" in remedy) == ("{" in text)
    path = tmp_path / "recipe.toml"
    path.write_text(
        f"name = 'mine'\n[data]\nsource = 'digits'\n{text}\n"
        "[[export]]\nformat = 'tflite'\nprecision = 'int8'\n"
    )
    assert "cosine" in str(load_recipe(path, for_model=command != "train").table())


def test_synonyms_lead_to_options_and_commands_that_there_are() -> None:
    flags = {
        flag_of(name, options_of(command).model_fields[name]).name
        for command, name in OPTIONS_OF_COMMANDS
    }
    assert set(OPTIONS) <= flags
    assert set(COMMAND_SYNONYMS) <= set(COMMANDS)
    for command in COMMANDS:
        fields = options_of(command).model_fields
        own = {flag_of(name, field).name for name, field in fields.items()}
        taken = [each for meant in own & set(OPTIONS) for each in OPTIONS[meant].split()]
        assert not {f"--{each}" for each in taken} & own
