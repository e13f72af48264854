"""``edgecv table``."""

from typing import Annotated

from pydantic import Field

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.command_options import Flag
from edgecv.core.options import OnePath, Paths, Text
from edgecv.pipeline.recipe.options import StoreOptions


class TableCommand(JsonOptions, StoreOptions):
    """Options of ``edgecv table``."""

    recipes: Annotated[Paths, Flag("RECIPES", is_argument=True)]
    """Recipes: .toml files, or names of ready ones."""
    data: Annotated[Text | None, Flag(default="that of each recipe")] = None
    """The data set, folder or file that all of them are run on instead of their own."""
    seeds: int = Field(default=1, ge=1, le=100)
    """Runs of each recipe, each with another seed: figures are their mean and spread."""
    html: OnePath | None = None
    """A page to write of all runs, with plots: an HTML file. An earlier page there is replaced."""


def run(options: TableCommand, screen: Screen) -> int:
    """Run the recipes and print the table."""
    from edgecv.pipeline.recipe_table import run_all, to_json, to_markdown
    from edgecv.reports.files import check_page, write_page
    from edgecv.reports.page.compare import to_comparison
    from edgecv.system.storage import Store

    store = Store.at(options.output)
    if options.html is not None:
        check_page(options.html, "--html")  # Before the runs, not after them.
    reports = run_all(
        options.recipes,
        options.data,
        store,
        seeds=options.seeds,
        on_event=screen.on_event,
        log=screen.log,
    )
    if options.html is not None:
        write_page(to_comparison(reports), options.html, "--html")
    screen.answer(to_json(reports) if options.as_json else to_markdown(reports))
    return 0
