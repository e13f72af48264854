"""``edgecv compare``."""

from pathlib import Path
from typing import Annotated

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.command_options import Flag
from edgecv.core.errors import InputError
from edgecv.core.options import OnePath, Paths


class CompareCommand(JsonOptions):
    """Options of ``edgecv compare``."""

    runs: Annotated[Paths, Flag("RUNS", is_argument=True)]
    """Folders of runs, two or more."""
    to: OnePath = Path("comparison.html")
    """The page to write; an earlier page there is replaced."""
    open: bool = False
    """Open the page in your browser."""


def run(options: CompareCommand, screen: Screen) -> int:
    """Write one page of several runs, and show their files as one table."""
    from edgecv.cli.show import show_comparison
    from edgecv.reports.files import open_page, write_page
    from edgecv.reports.json_file import read_run, to_table
    from edgecv.reports.page.compare import to_comparison, with_distinct_names

    if len(options.runs) == 1:
        raise InputError(
            "RUNS", "one", accepted="two or more", remedy="edgecv report RUN shows one"
        )
    reports = with_distinct_names([read_run(folder) for folder in options.runs], options.runs)
    write_page(to_comparison(reports), options.to)
    if options.as_json:
        screen.table([to_table(report) for report in reports])
    else:
        show_comparison(reports, options.to, screen)
    if options.open:
        open_page(options.to)
    return 0
