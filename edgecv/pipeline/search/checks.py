"""Checks of a search before its first trial: its folder, its limits, its data."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.files import read_regular
from edgecv.core.tables import json_value
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.recipe.shown_drop import check_drop_is_shown
from edgecv.system.storage import write_json

IDENTITY = "search.json"
LIMITS = "limits"
"""The key of what may change: finished trials are judged again."""
LARGEST_IDENTITY_BYTES = 10_000_000

LEAST_BYTES_OF_A_WEIGHT = {"none": 4.0, "float16": 2.0, "int8": 1.0, "dynamic": 1.0}
"""By precision; half a byte where some weights have 4 bits."""


def check_identity(folder: Path, identity: Mapping[str, Any]) -> bool:
    """Write what a search is about to its folder, or compare it with what is there.

    Returns True where its trials were judged by other limits. Raises InputError for a folder of
    another search: its trials would prove nothing here.
    """
    path = folder / IDENTITY
    found = json.loads(json.dumps(identity))
    if not path.exists():
        if any(folder.iterdir()):
            raise InputError(
                str(folder), "exists already, and is no search", remedy="use another --name"
            )
        write_json(path, found)
        return False
    try:
        before = json_value(read_regular(path, LARGEST_IDENTITY_BYTES))
    except ValueError:
        raise InputError(str(path), "is damaged", remedy="use another --name") from None
    if not isinstance(before, dict):
        raise InputError(str(path), "is damaged", remedy="use another --name")
    for key, value in found.items():
        if key != LIMITS and before.get(key) != value:
            raise InputError(
                str(folder),
                f"holds a search of another {key}",
                remedy="use another --name: trained steps in --output are shared all the same",
            )
    return bool(before.get(LIMITS) != found[LIMITS])


def judged_by(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write the limits that all trials were judged by."""
    write_json(folder / IDENTITY, identity)


def check_reachable(recipe: Recipe, images: Mapping[str, int], *, has_labels: bool) -> None:
    """Raise InputError for data that trials cannot be judged on, or a drop that none can hold.

    ``images``: those of each split.
    """
    if not has_labels:
        raise InputError(
            recipe.data.name,
            "has no labels, and trials are compared by their answers to labelled images",
            remedy="use edgecv compress, or put class folders under train/ and test/",
        )
    if not images["validation"]:
        raise InputError(
            recipe.data.name,
            "has no validation images, which trials are judged on",
            remedy="put images under train/: some of them are taken",
        )
    check_drop_is_shown(recipe, images)


def check_size_is_reachable(recipe: Recipe, space: SearchSpace, parameters: int) -> None:
    """Raise InputError for a limit on bytes that all weights of all recipes exceed.

    ``parameters``: those of the model; 0 where they are not known.
    """
    limit, shrink = recipe.gates.max_bytes, space.values("shrink") if _has(space, "shrink") else {}
    is_open = _has(space, "student") or (_has(space, "shrink") and "keep" not in shrink)
    if limit is None or is_open:  # Their parameters are known once they are made.
        return
    keep = min(shrink.get("keep", [1.0]))
    a_weight = min(LEAST_BYTES_OF_A_WEIGHT.get(each, 0.5) for each in space.quantize)
    least = int(parameters * keep**2 * a_weight)
    if limit < least:
        raise InputError(
            f"--max-size {limit:,} bytes",
            f"is reached by no recipe of the space: of {parameters:,} parameters, {keep:g} of the"
            f" channels in {' or '.join(space.quantize)} take about {least:,} bytes",
            accepted=f"{least:,} bytes or more",
            remedy="or give another space under [search]",
        )


def _has(space: SearchSpace, name: str) -> bool:
    return name in space.technique


def kind_of_failure(error: EdgecvError) -> str:
    """Return what failures of several trials have in common: the message without its numbers."""
    return re.sub(r"[\d.,]+", "#", f"{type(error).__name__} {error.found}")
