"""The meaning of an option: its description, or the docstring below its field."""

from functools import cache
from typing import Any

from edgecv.core.field_docstrings import field_docstrings
from edgecv.core.options import Options


@cache
def meanings(cls: type) -> dict[str, str]:
    """Return what stands below each field of a class and of its bases."""
    found = {name: " ".join(text.split()) for name, text in field_docstrings(cls).items()}
    fields: dict[str, Any] = getattr(cls, "model_fields", {})
    return found | {name: each.description for name, each in fields.items() if each.description}


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
