"""``edgecv table``."""

from typing import Annotated

from pydantic import Field

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.options import Flag, Paths, Text
from edgecv.pipeline.recipe.options import StoreOptions


class TableCommand(JsonOptions, StoreOptions):
    """Options of ``edgecv table``."""

    recipes: Annotated[Paths, Flag("RECIPES", is_argument=True)]
    """Recipes: .toml files."""
    data: Annotated[Text | None, Flag(default="that of each recipe")] = None
    """The data set, folder or file that all of them are run on instead of their own."""
    seeds: int = Field(default=1, ge=1, le=100)
    """Runs of each recipe, each with another seed: figures are their mean and spread."""


def run(options: TableCommand, screen: Screen) -> int:
    """Run the recipes and print the table."""
    from edgecv.pipeline.recipe_table import run_all, to_json, to_markdown
    from edgecv.system.storage import Store

    store = Store.at(options.output)
    reports = run_all(
        options.recipes,
        options.data,
        store,
        seeds=options.seeds,
        on_event=screen.on_event,
        log=screen.log,
    )
    screen.answer(to_json(reports) if options.as_json else to_markdown(reports))
    return 0
