"""Remedies name only what exists: commands, their options, and keys of a recipe."""

import ast
import re
from collections.abc import Iterator
from functools import cache

import pytest
from paths import REPOSITORY

from edgecv.cli.commands import COMMANDS
from edgecv.cli.from_options import build
from edgecv.pipeline.recipe.schema import recipe_schema

pytestmark = pytest.mark.quick

FLAG = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
COMMAND = re.compile(r"(?<![\w.`/-])edgecv ([a-z]+)((?: [^,;:\s]+)*)")
KEY = re.compile(r"(\w+) = \S+ under \[\[(\w+)\]\]")


def texts(node: ast.AST) -> Iterator[str]:
    """Give the literal parts of an expression, with a word in place of what is computed."""
    for each in ast.walk(node):
        if isinstance(each, ast.JoinedStr):
            parts = [
                str(part.value) if isinstance(part, ast.Constant) else "VALUE"
                for part in each.values
            ]
            yield "".join(parts)
        elif isinstance(each, ast.Constant) and isinstance(each.value, str):
            yield each.value


@cache
def remedies() -> list[tuple[str, str]]:
    found = []
    for path in sorted((REPOSITORY / "edgecv").rglob("*.py")):
        tree = ast.parse(path.read_text())
        is_doctor = "doctor" in path.parts
        for node in ast.walk(tree):
            if is_doctor and isinstance(node, ast.Constant | ast.JoinedStr):
                found += [(f"{path.name}:{node.lineno}", text) for text in texts(node)]
            if not isinstance(node, ast.Call):
                continue
            given = [each.value for each in node.keywords if each.arg == "remedy"]
            found += [
                (f"{path.name}:{node.lineno}", text) for each in given for text in texts(each)
            ]
    return found


@cache
def options_of_commands() -> dict[str, set[str]]:
    return {
        name: {option for each in build(name).params for option in each.opts} | {"--help"}
        for name in COMMANDS
    }


def test_every_flag_in_a_remedy_is_an_option_of_a_command() -> None:
    known = set().union(*options_of_commands().values())
    wrong = [
        (where, flag)
        for where, text in remedies()
        for flag in FLAG.findall(text)
        if flag not in known
    ]
    assert not wrong


def test_every_command_in_a_remedy_takes_the_options_that_it_is_given() -> None:
    options = options_of_commands()
    found = [
        (where, name, FLAG.findall(rest))
        for where, text in remedies()
        for name, rest in COMMAND.findall(text)
        if name in options or FLAG.findall(rest)  # "edgecv" may also be the subject of a sentence.
    ]
    assert len(found) >= 3
    assert not [each for each in found if not set(each[2]) <= options.get(each[1], set())]


def test_every_key_in_a_remedy_is_one_of_the_recipe() -> None:
    exports = str(recipe_schema()["properties"]["export"])
    found = [key for _, text in remedies() for key, table in KEY.findall(text) if table == "export"]
    assert found
    assert not [key for key in found if f"'{key}'" not in exports]
