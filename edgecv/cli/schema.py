"""``edgecv schema``."""

import json

from edgecv.cli.console import Screen
from edgecv.core.options import CommandOptions
from edgecv.pipeline.recipe.schema import recipe_schema


class SchemaCommand(CommandOptions):
    """Options of ``edgecv schema``: none."""


def run(options: SchemaCommand, screen: Screen) -> int:
    """Print the schema."""
    screen.answer(json.dumps(recipe_schema(), indent=2))
    return 0
