"""The front of a search on disk: Markdown, JSON, a picture, and a page of its runs."""

from collections.abc import Sequence
from pathlib import Path

from edgecv.core.report import Report
from edgecv.pipeline.search.front import SearchResult, to_json, to_markdown
from edgecv.pipeline.search.trial import SearchTrial, TrialFigures
from edgecv.reports.front_picture import Spot, write_front
from edgecv.reports.page.compare import to_comparison
from edgecv.system.storage import write_bytes, write_json


def write_pages(folder: Path, result: SearchResult, reports: Sequence[Report]) -> None:
    """Write what a search has found. ``reports``: the runs of the front on test images."""
    write_bytes(folder / "front.md", to_markdown(result).encode())
    write_json(folder / "front.json", to_json(result))
    tried = [_spot(each, each.figures) for each in result.trials if each.figures]
    front = [_spot(each.trial, each.figures) for each in result.front]
    write_front(tried, front, result.limits, folder / "front.png")
    page = folder / "front.html"
    if reports:
        write_bytes(page, to_comparison(reports).encode())
    else:
        page.unlink(missing_ok=True)  # That of other limits would show runs as a front.


def _spot(trial: SearchTrial, figures: TrialFigures) -> Spot:
    """Return the place of a trial in the picture."""
    lost = figures.lost_points
    return Spot(str(trial.number), figures.bytes / 1000, figures.points, lost, figures.speedup)
