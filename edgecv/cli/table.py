"""``edgecv table``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from edgecv.cli.options import (
    AsJson,
    DataOfRun,
    Output,
)
from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def table(
    recipes: Annotated[list[Path], typer.Argument(help="Recipes: .toml files.")],
    data: DataOfRun = None,
    output: Output = "exported",
    as_json: AsJson = False,
) -> None:
    """Run recipes that were not run yet, and print what all of them gave, as Markdown."""

    def work(screen: "Screen") -> int:
        from edgecv.pipeline.recipe_table import run_all, to_json, to_markdown
        from edgecv.system.storage import Store

        reports = run_all(recipes, data, Store.at(output), on_event=screen.on_event, log=screen.log)
        screen.answer(to_json(reports) if as_json else to_markdown(reports))
        return 0

    on_screen(work)
