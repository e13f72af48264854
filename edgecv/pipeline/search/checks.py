"""Checks of a search before its first trial: its folder and its data; what its failures share."""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.core.files import read_regular
from edgecv.core.options import parse_options
from edgecv.core.tables import json_value
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.search.engines.contract import ModelAndData
from edgecv.pipeline.search.named_files import hashes_of
from edgecv.pipeline.search.options import SearchOptions
from edgecv.pipeline.search.trial import SearchTrial
from edgecv.reports.json_file import read_report
from edgecv.system.environment import PACKAGES, environment
from edgecv.system.storage import Store, write_json

IDENTITY = "search.json"
LIMITS = "limits"
"""The key of what may change: finished trials are judged again."""
LARGEST_IDENTITY_BYTES = 10_000_000
COMPARED = ("processor", "cores", "python", *PACKAGES)
"""Entries of an environment that decide bits and times."""


def identity_of(
    base: Recipe, options: SearchOptions, space: SearchSpace, facts: ModelAndData
) -> dict[str, Any]:
    """Return what must be the same for a search to go on."""
    table = base.table()
    return {
        "data": facts.sha256,
        "model": hashes_of(base),
        "code": base.baseline.own_code.code_sha256(),
        "recipe": {key: each for key, each in table.items() if key != "gates"},
        LIMITS: table["gates"],
        "space": space.model_dump(mode="json"),
        "sampler": options.sampler,
        "generation": options.generation,
        "screening": options.screening,
        "training": options.training,
    }


def former_limits(folder: Path, identity: Mapping[str, Any]) -> Limits | None:
    """Write what a search is about to its folder, or compare it with what is there.

    Returns the limits that its trials were judged by, where they are others now. Raises InputError
    for a folder of another search: its trials would prove nothing here.
    """
    path = folder / IDENTITY
    found = json.loads(json.dumps(identity))
    if not path.exists():
        if any(folder.iterdir()):
            raise InputError(
                str(folder), "exists already, and is no search", remedy="use another --name"
            )
        write_json(path, found)
        return None
    try:
        before = json_value(read_regular(path, LARGEST_IDENTITY_BYTES))
    except ValueError:
        raise InputError(str(path), "is damaged", remedy="use another --name") from None
    if not isinstance(before, dict) or not isinstance(before.get(LIMITS), dict):
        raise InputError(str(path), "is damaged", remedy="use another --name")
    before = _as_of_today(before, found)
    for key, value in found.items():
        if key != LIMITS and before.get(key) != value:
            raise InputError(
                str(folder),
                f"holds a search of another {key}",
                remedy="use another --name: trained steps in --output are shared all the same",
            )
    limits = before[LIMITS]
    return None if limits == found[LIMITS] else parse_options(Limits, limits, f"{path}, {LIMITS}")


def _as_of_today(before: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, Any]:
    """Return what an earlier version has written, with the hashes that it did not know."""
    unknown = {key: found[key] for key in ("model", "code") if key in found}
    data, now = before.get("data"), found.get("data")
    if isinstance(data, dict) and isinstance(now, dict) and "calibration" in now:
        data = {"calibration": now["calibration"], **data}
    return {**unknown, **before, "data": data}


def judged_by(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write the limits that all trials were judged by."""
    write_json(folder / IDENTITY, identity)


def other_environment(trials: Sequence[SearchTrial], folder: Path, name: str) -> list[str]:
    """Return a sentence where a stored trial, the first or the last, ran on something else.

    Versions decide answers and bytes, the processor times: a search that goes on elsewhere
    compares what is not quite comparable. A run that cannot be read any more says nothing.
    """
    finished = [each.number for each in trials if each.state == "finished"]
    now, found = environment(), dict[str, str]()
    for number in {*finished[:1], *finished[-1:]}:
        with suppress(InputError):
            before = read_report(folder / f"{name}-{number:03d}-validation").environment
            found |= {
                key: f"{key} {before[key]} where it is {now[key]} now"
                for key in COMPARED
                if before.get(key, now[key]) != now[key]
            }
    if not found:
        return []
    listed = ", ".join(found.values())
    return [f"trials of before were measured with {listed}: figures of both may differ by that"]


def check_store_takes_more(store: Store) -> None:
    """Raise StepError where the store cannot be written any more, or has no space.

    Asked when a recipe has failed: no recipe is at fault then, and the next ones would fail too.
    """
    try:
        store.check_writable()
    except InputError as error:
        remedy = "free some space: the same command goes on where it was"
        raise StepError(error.where, error.found, remedy=remedy) from error


def kind_of_failure(error: EdgecvError) -> str:
    """Return what failures of several trials have in common: the message without its numbers."""
    return re.sub(r"[\d.,]+", "#", f"{type(error).__name__} {error.found}")
