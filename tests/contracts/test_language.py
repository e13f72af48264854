"""The language of the package: the field's own words, docstrings that name what a thing is."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import edgecv

PACKAGE = Path(edgecv.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
PRIVATE_WORDS = {
    "bedside",
    "blame",
    "cure",
    "cured",
    "hand",
    "hands",
    "looked",
    "looking",
    "patient",
    "recall",
    "said",
    "shop",
    "told",
    "trials",
    "words",
    "workshop",
}
"""Words that a reader of this field would not search for."""
OF_A_SEARCH = {"trials"}
"""A word of Optuna, and so of this field in the rooms of a search."""
VAGUE = re.compile(r"(What|Whatever|Of|Whether|Who|Whose|How|Which|Where|When|Why)\b")
"""A first word that says nothing of the thing: the noun of the field stands there instead."""
COUNTED = re.compile(r" (inputs|outputs|layers|operators|arrays|classes|epochs|files|gates)\b")
"""Nouns that often stand beside 1: ``counted(...)`` writes them."""
Node = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def words_in(name: str) -> set[str]:
    return set(re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().split("_"))


def defined_names(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id


def docstrings(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Give the docstrings of modules, classes and functions, and those of attributes."""
    for node in ast.walk(tree):
        for statement in node.body if isinstance(node, Node) else []:
            match statement:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    yield statement.lineno, text


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_name_is_of_the_field(path: Path) -> None:
    names = [path.stem, *defined_names(ast.parse(path.read_text("utf-8")))]
    private = PRIVATE_WORDS - (OF_A_SEARCH if "search" in path.parts else set())
    assert sorted({name for name in names if words_in(name) & private}) == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_docstring_begins_with_what_the_thing_is_or_does(path: Path) -> None:
    vague = [
        f"line {line}: {text.splitlines()[0]}"
        for line, text in docstrings(ast.parse(path.read_text("utf-8")))
        if VAGUE.match(text)
    ]
    assert vague == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_no_message_says_1_inputs(path: Path) -> None:
    found = [
        ast.unparse(text)
        for text in ast.walk(ast.parse(path.read_text()))
        if isinstance(text, ast.JoinedStr)
        for count, after in itertools.pairwise(text.values)
        if isinstance(count, ast.FormattedValue) and ast.unparse(count.value).startswith("len(")
        if isinstance(after, ast.Constant) and COUNTED.match(str(after.value))
    ]
    assert not found, "write the number and its noun by counted(...) of edgecv.core.text"
