"""``edgecv schema``."""

from typing import TYPE_CHECKING

from edgecv.core.options import CommandOptions

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


class SchemaCommand(CommandOptions):
    """Options of ``edgecv schema``: none."""


def run(options: SchemaCommand, screen: "Screen") -> int:
    """Print the schema."""
    from edgecv.pipeline.recipe.schema import recipe_schema

    screen.table(recipe_schema())
    return 0
