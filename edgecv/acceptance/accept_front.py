"""The lock of each run of a search's front: ``edgecv gate`` holds later files against it."""

from pathlib import Path

from edgecv.acceptance.gate import gate_run
from edgecv.acceptance.options import GateOptions
from edgecv.core.events import Event, OnEvent, ignore_event
from edgecv.pipeline.search.front import SearchResult
from edgecv.pipeline.search.options import SearchOptions


def accept_front(
    result: SearchResult,
    options: SearchOptions,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
) -> None:
    """Write ``RUN.lock`` beside each run of the front that did not fail, unless it is there."""
    for point in result.front:
        place = Path(f"{point.folder}.lock")
        if point.outcome == "failed" or place.exists():
            continue
        on_event(Event("search", f"writing {place}"))
        asked = GateOptions(
            run=Path(point.folder),
            against=place,
            update=True,
            threads=options.threads,
            trust_model=options.trust_model,
            custom_objects=options.custom_objects,
        )
        gate_run(asked, on_event, log)
