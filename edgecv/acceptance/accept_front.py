"""The lock of each run of a search's front: ``edgecv gate`` holds later files against it."""

from pathlib import Path

from edgecv.acceptance.gate import gate_run
from edgecv.acceptance.options import GateOptions
from edgecv.acceptance.text import verdict_line
from edgecv.core.errors import EdgecvError
from edgecv.core.events import Event, OnEvent, ignore_event
from edgecv.core.registry import TARGETS
from edgecv.pipeline.recipe.options import TargetOptions
from edgecv.pipeline.search.front import SearchResult
from edgecv.pipeline.search.options import SearchOptions
from edgecv.reports.json_file import read_report


def accept_front(
    result: SearchResult,
    options: SearchOptions,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
) -> None:
    """Write ``RUN.lock`` beside each run of the front that did not fail, unless it is there.

    A run that fails when it is measured again, or cannot be, has no lock, and the reason is said:
    the result of a search is not lost with it.
    """
    for point in result.front:
        place = Path(f"{point.folder}.lock")
        if point.outcome == "failed" or place.exists():
            continue
        on_event(Event("search", f"writing {place}"))
        if reason := _refusal(Path(point.folder), place, options, on_event, log):
            on_event(Event("note", f"{point.folder} has no lock: {reason}"))


def _refusal(
    run: Path, place: Path, options: SearchOptions, on_event: OnEvent, log: Path | None
) -> str:
    """Accept a run, and return the reason where it was not; empty where it was."""
    try:
        judgement = gate_run(gate_options(run, place, options), on_event, log)
    except EdgecvError as error:
        return str(error)
    return verdict_line(judgement) if judgement.update == "refused" else ""


def gate_options(run: Path, place: Path, options: SearchOptions) -> GateOptions:
    """Return the options that accept a run of a search: measured where the run was."""
    table = read_report(run).recipe.get("device")
    device = None if table is None else TARGETS.parse(table, f"{run}/report.json, device")
    there = {name: getattr(device, name, None) for name in TargetOptions.model_fields}
    return GateOptions(
        run=run,
        against=place,
        update=True,
        threads=options.threads,
        trust_model=options.trust_model,
        custom_objects=options.custom_objects,
        on=None if device is None else device.place,
        cache=options.cache,
        cache_limit=options.cache_limit,
        no_cache=options.no_cache,
        **{name: value for name, value in there.items() if value},
    )
