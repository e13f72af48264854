"""``edgecv schema``."""

from typing import TYPE_CHECKING

from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def schema() -> None:
    """Print the JSON schema of recipes, for editors."""

    def work(screen: "Screen") -> int:
        import json

        from edgecv.pipeline.recipe.schema import recipe_schema

        screen.answer(json.dumps(recipe_schema(), indent=2))
        return 0

    on_screen(work)
