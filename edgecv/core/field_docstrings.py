"""Docstrings of the fields of classes, read when a help text or a schema is asked for.

pydantic reads them while it makes a class, which takes a quarter of the start of a command.
"""

import ast
import inspect
import sys
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import pairwise


@cache
def field_docstrings(cls: type) -> Mapping[str, str]:
    """Return the docstring of each field that a class and its bases define."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= _docstrings_in(base.__module__).get(base.__qualname__, {})
    return found


@cache
def _docstrings_in(module: str) -> Mapping[str, Mapping[str, str]]:
    """Return the docstrings of the fields of each class of a module; empty without its source."""
    try:
        source = inspect.getsource(sys.modules[module])
    except (OSError, TypeError):
        return {}
    return dict(_of_classes(ast.parse(source), ""))


def _of_classes(node: ast.AST, prefix: str) -> Iterator[tuple[str, Mapping[str, str]]]:
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.ClassDef):
            yield f"{prefix}{each.name}", dict(_of_fields(each))
            yield from _of_classes(each, f"{prefix}{each.name}.")
        elif isinstance(each, ast.FunctionDef):
            yield from _of_classes(each, f"{prefix}{each.name}.<locals>.")
        elif not isinstance(each, ast.expr):
            yield from _of_classes(each, prefix)


def _of_fields(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    for field, after in pairwise(node.body):
        match field, after:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(text))),
            ):
                yield name, inspect.cleandoc(text)
