"""All forms of a report in the folder of a run, and pages of their own."""

import webbrowser
from pathlib import Path

from edgecv.core.errors import InputError, StepError
from edgecv.core.files import read_regular
from edgecv.core.report import Report
from edgecv.reports.json_file import write_report
from edgecv.reports.markdown import to_markdown
from edgecv.reports.page.build import to_page
from edgecv.system.storage import check_outside_runs, write_bytes

MARK = b'<meta name="generator" content="edgecv">'
MARK_WITHIN = 2_000
"""Bytes from the start of a page within which it says that it is one of edgecv."""


def write_reports(report: Report, folder: Path) -> None:
    """Write ``report.json``, ``report.md`` and ``report.html``, with the pictures in ``folder``."""
    write_report(report, folder / "report.json")
    write_bytes(folder / "report.md", to_markdown(report).encode())
    write_bytes(folder / "report.html", to_page(report, folder).encode())


def write_page(page: str, path: Path, flag: str = "--to") -> None:
    """Write a page of its own. Raises what ``check_page`` does."""
    check_page(path, flag)
    write_bytes(path, page.encode())


def check_page(path: Path, flag: str) -> None:
    """Raise InputError for a page in a run, without a folder, or in place of something else."""
    check_outside_runs(path, flag)
    if path.is_symlink() or path.exists():
        if not path.is_file() or MARK not in read_regular(path)[:MARK_WITHIN]:
            found = "is there already, and is no page of edgecv"
            raise InputError(str(path), found, remedy=f"{flag} another FILE")
    elif not path.absolute().parent.is_dir():
        raise InputError(str(path), "its folder is not there", remedy="make the folder")


def open_page(path: Path) -> None:
    """Open a page in the user's browser. Raises StepError where there is none."""
    if not webbrowser.open(path.resolve().as_uri()):
        raise StepError("--open", "no browser was found", remedy=f"open {path} in one yourself")
