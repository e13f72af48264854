"""``edgecv search``."""

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.pipeline.search.options import SearchOptions


class SearchCommand(JsonOptions, SearchOptions):
    """Options of ``edgecv search``."""

    dry_run: bool = False
    """Print the space, and an estimate of time and disk; nothing is trained or written."""
    status: bool = False
    """Print the trials of this search, also while it runs."""


def run(options: SearchCommand, screen: Screen) -> int:
    """Search and show the front, or show the plan or the trials alone."""
    from edgecv.acceptance.accept_front import accept_front
    from edgecv.pipeline.search.front import exit_code, to_json, to_markdown
    from edgecv.pipeline.search.search import plan, search, status

    if options.status or options.dry_run:
        screen.answer(status(options) if options.status else plan(options, screen.on_event))
        return 0
    result = search(options, on_event=screen.on_event)
    accept_front(result, options, screen.on_event, screen.log)
    if options.as_json:
        screen.table(to_json(result))
    else:
        screen.answer(to_markdown(result))
    return exit_code(result)
