"""Users' models, one class for each kind: a file in this folder is all that a kind needs."""

import importlib
import pkgutil
from functools import cache
from pathlib import Path

from edgecv.core.files import check_regular, no_file
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models.user_model import UserModel

__all__ = ["UserModel", "check_user_model", "open_user_model"]


def check_user_model(recipe: Recipe) -> None:
    """Raise InputError if the recipe's model is missing, or cannot do what the recipe asks for.

    Quick, and without TensorFlow.
    """
    kind_of(recipe).check(recipe)


def open_user_model(recipe: Recipe, context: RunContext) -> UserModel:
    """Open the recipe's model, with data that fits it."""
    return kind_of(recipe).open(recipe, context)


@cache
def kinds() -> tuple[type[UserModel], ...]:
    """Return the class of each kind: every concrete class in a module of this folder."""
    found: dict[str, type[UserModel]] = {}
    for module in pkgutil.iter_modules(__path__, f"{__name__}."):
        for value in vars(importlib.import_module(module.name)).values():
            if isinstance(value, type) and issubclass(value, UserModel) and "name" in vars(value):
                found[value.name] = value
    return tuple(found[name] for name in sorted(found))


def kind_of(recipe: Recipe) -> type[UserModel]:
    """Return the class that opens the recipe's model. Raises InputError where there is none."""
    if recipe.baseline.model is None:
        return next(cls for cls in kinds() if cls.needs_no_file)
    path = Path(recipe.baseline.model)
    if not path.exists():
        raise no_file("MODEL", path)
    check_regular(path, "MODEL", folders=True)
    for cls in kinds():
        if path.suffix.lower() in cls.suffixes:
            return cls
    return next(cls for cls in kinds() if cls.reads(path))
