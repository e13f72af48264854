"""``edgecv report``."""

from typing import Annotated

from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions
from edgecv.core.command_options import Flag
from edgecv.core.options import OnePath, Paths


class ReportCommand(JsonOptions):
    """Options of ``edgecv report``."""

    run: Annotated[OnePath, Flag("RUN", is_argument=True)]
    """The folder of a run."""
    to: Annotated[OnePath | None, Flag(default="RUN.html, beside the run")] = None
    """The page to write; an earlier page there is replaced."""
    doctor: Annotated[Paths, Flag(default="none")] = ()
    """Diagnoses of its files, as edgecv doctor --json prints them: the page shows them too."""
    open: bool = False
    """Open the page in your browser."""


def run(options: ReportCommand, screen: Screen) -> int:
    """Write the page of a run, and show its report."""
    from edgecv.analysis.doctor.text import diagnosed_file, read_diagnosis
    from edgecv.cli.show import show_report
    from edgecv.reports.files import open_page, write_page
    from edgecv.reports.json_file import read_run
    from edgecv.reports.page.build import to_page

    folder = options.run.resolve()
    report = read_run(folder)
    page = options.to or folder.with_name(f"{folder.name}.html")
    diagnoses = [diagnosed_file(read_diagnosis(path)) for path in options.doctor]
    write_page(to_page(report, folder, diagnoses), page)
    show_report(report, None, screen, as_json=options.as_json)
    screen.warn([f"written: {page}"])
    if options.open:
        open_page(page)
    return 0
