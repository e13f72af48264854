"""``edgecv search``."""

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.pipeline.search.options import SearchOptions


class SearchCommand(JsonOptions, SearchOptions):
    """Options of ``edgecv search``."""


def run(options: SearchCommand, screen: Screen) -> int:
    """Search, and show the front."""
    from edgecv.pipeline.search.front import exit_code, to_json, to_markdown
    from edgecv.pipeline.search.search import search

    result = search(options, on_event=screen.on_event)
    if options.as_json:
        screen.table(to_json(result))
    else:
        screen.answer(to_markdown(result))
    return exit_code(result)
