"""How every command does its work: on a screen, with an exit code, without a traceback."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from edgecv.cli.console import Screen
    from edgecv.pipeline.recipe.recipe import Recipe


def recipe_of(options: dict[str, Any]) -> "Recipe":
    """Return the recipe that a command line is. Raises InputError that names the flag."""
    from edgecv.core.options import parse_flags
    from edgecv.pipeline.recipe.from_flags import CompressOptions

    return parse_flags(CompressOptions, options).to_recipe()


def on_screen(work: "Callable[[Screen], int]") -> None:
    """Do the work of a command on a screen of its own, and leave with its exit code."""
    from edgecv.cli.console import Screen

    with Screen() as screen:
        code = work(screen)
    raise typer.Exit(code)
