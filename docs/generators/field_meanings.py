"""The meaning of an option: its description, or the docstring below its field."""

import ast
import inspect
from functools import cache
from typing import Any

from edgecv.core.options import Options


@cache
def meanings(cls: type) -> dict[str, str]:
    """Return what stands below each field of a class and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if issubclass(base, Options) and base is not Options:
            found |= _docstrings(base)
    fields: dict[str, Any] = getattr(cls, "model_fields", {})
    return found | {name: each.description for name, each in fields.items() if each.description}


def _docstrings(cls: type) -> dict[str, str]:
    tree = ast.parse(inspect.getsource(inspect.getmodule(cls)))  # type: ignore[arg-type]
    definitions = [
        each
        for each in ast.walk(tree)
        if isinstance(each, ast.ClassDef) and each.name == cls.__name__
    ]
    found = {}
    for definition in definitions:
        for field, below in zip(definition.body, definition.body[1:], strict=False):
            if (
                isinstance(field, ast.AnnAssign)
                and isinstance(field.target, ast.Name)
                and isinstance(below, ast.Expr)
                and isinstance(below.value, ast.Constant)
                and isinstance(below.value.value, str)
            ):
                found[field.target.id] = " ".join(below.value.value.split())
    return found


def classes_by_name() -> dict[str, type[Options]]:
    """Return every table of options by the name of its class, the title in a JSON schema."""
    import edgecv.pipeline.recipe.schema  # noqa: F401  (imports all that a recipe can hold)

    found: dict[str, type[Options]] = {}
    left = list(Options.__subclasses__())
    while left:
        cls = left.pop()
        found[cls.__name__] = cls
        left += cls.__subclasses__()
    return found
