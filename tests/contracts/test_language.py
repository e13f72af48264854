"""The language of the package: the field's own words, docstrings that name what a thing is."""

import ast
import itertools
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path

import edgecv

PACKAGE = Path(edgecv.__file__).parent
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


def in_each_file(find: Callable[[Path, ast.Module], Iterable[str]]) -> dict[str, list[str]]:
    """Return what is found in each file that has any: one test for all, as each test costs."""
    found = {str(path.relative_to(PACKAGE)): sorted(find(path, tree)) for path, tree in parsed()}
    return {path: names for path, names in found.items() if names}


@cache
def parsed() -> list[tuple[Path, ast.Module]]:
    return [(path, ast.parse(path.read_text("utf-8"))) for path in sorted(PACKAGE.rglob("*.py"))]


def test_names_are_of_the_field() -> None:
    def private(path: Path, tree: ast.Module) -> set[str]:
        private_words = PRIVATE_WORDS - (OF_A_SEARCH if "search" in path.parts else set())
        names = [path.stem, *defined_names(tree)]
        return {name for name in names if words_in(name) & private_words}

    assert in_each_file(private) == {}


def test_docstrings_begin_with_what_the_thing_is_or_does() -> None:
    def vague(_: Path, tree: ast.Module) -> list[str]:
        return [
            f"line {line}: {text.splitlines()[0]}"
            for line, text in docstrings(tree)
            if VAGUE.match(text)
        ]

    assert in_each_file(vague) == {}


def test_no_message_says_1_inputs() -> None:
    assert in_each_file(uncounted) == {}, (
        "write the number and its noun by counted(...) of edgecv.core.text"
    )


def uncounted(_: Path, tree: ast.Module) -> list[str]:
    return [
        ast.unparse(text)
        for text in ast.walk(tree)
        if isinstance(text, ast.JoinedStr)
        for count, after in itertools.pairwise(text.values)
        if isinstance(count, ast.FormattedValue) and ast.unparse(count.value).startswith("len(")
        if isinstance(after, ast.Constant) and COUNTED.match(str(after.value))
    ]
