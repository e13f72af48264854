"""``edgecv search``."""

from typing import Self

from pydantic import model_validator

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.errors import InputError
from edgecv.pipeline.search.options import SearchOptions


class SearchCommand(JsonOptions, SearchOptions):
    """Options of ``edgecv search``."""

    dry_run: bool = False
    """Print the space, and an estimate of time and disk; nothing is trained or written."""
    status: bool = False
    """Print the trials of this search, also while it runs."""

    @model_validator(mode="after")
    def _prints_one_of_both(self) -> Self:
        if self.status and self.dry_run:
            raise InputError("--status", "stands beside --dry-run", remedy="give one of them")
        return self


def run(options: SearchCommand, screen: Screen) -> int:
    """Search and show the front, or show the plan or the trials alone."""
    from edgecv.acceptance.accept_front import accept_front
    from edgecv.pipeline.search.front import exit_code, to_json, to_markdown
    from edgecv.pipeline.search.search import known_trials, plan, search
    from edgecv.pipeline.search.trial_lines import status_table, status_text

    if options.status:
        known = known_trials(options)
        text, table, code = status_text(*known), status_table(*known), 0
    elif options.dry_run:
        planned = plan(options, screen.on_event)
        text, table, code = planned.text, planned.table, 0
    else:
        result = search(options, on_event=screen.on_event)
        accept_front(result, options, screen.on_event, screen.log)
        text, table, code = to_markdown(result), to_json(result), exit_code(result)
    if options.as_json:
        screen.table(table)
    else:
        screen.answer(text)
    return code
