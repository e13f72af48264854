"""``edgecv schema``."""

from edgecv.cli.console import Screen
from edgecv.core.command_options import CommandOptions


class SchemaCommand(CommandOptions):
    """Options of ``edgecv schema``: none."""


def run(options: SchemaCommand, screen: Screen) -> int:
    """Print the schema."""
    from edgecv.pipeline.recipe.schema import recipe_schema

    screen.table(recipe_schema())
    return 0
