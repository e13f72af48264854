"""Checks of a search before its first trial: its folder, its limits, its data."""

import json
import math
import re
from bisect import bisect_left
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.files import read_regular
from edgecv.core.tables import json_value
from edgecv.evaluation.statistics.binary_scores import difference_interval
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.system.storage import write_json

IDENTITY = "search.json"
LARGEST_IDENTITY_BYTES = 10_000_000
LARGEST_FRACTION = 0.5
"""No source keeps this fraction of the training images for validation, or more."""


def check_identity(folder: Path, identity: Mapping[str, Any]) -> None:
    """Write what a search is about to its folder, or compare it with what is there.

    Raises InputError for a folder of another search: its trials would prove nothing here.
    """
    path = folder / IDENTITY
    found = json.loads(json.dumps(identity))
    if not path.exists():
        if any(folder.iterdir()):
            raise InputError(
                str(folder), "exists already, and is no search", remedy="use another --name"
            )
        write_json(path, found)
        return
    try:
        before = json_value(read_regular(path, LARGEST_IDENTITY_BYTES))
    except ValueError:
        raise InputError(str(path), "is damaged", remedy="use another --name") from None
    for key, value in found.items():
        if not isinstance(before, dict) or before.get(key) != value:
            raise InputError(
                str(folder),
                f"holds a search of another {key}",
                remedy="use another --name: trained steps in --output are shared all the same",
            )


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


def check_drop_is_shown(recipe: Recipe, images: Mapping[str, int]) -> None:
    """Raise InputError for a given limit on the drop that too few validation images can show."""
    limit, count = recipe.gates.max_drop_points, images["validation"]
    if not recipe.task.has_binary_scores or not isinstance(limit, int | float):
        return
    least = least_lost_points(count)
    if limit >= least:
        return
    shown, needed, remedy = math.ceil(100 * least) / 100, "", "give a larger --max-drop"
    if limit:
        enough = bisect_left(range(1, 2**40), -limit, key=lambda n: -least_lost_points(n)) + 1
        needed = f", or {enough:,} validation images"
        remedy = f"{remedy}, or {_more_images(recipe, images, enough)}"
    raise InputError(
        f"--max-drop {limit:g}",
        f"cannot be shown on {count:,} validation images: with the same answer to each of them"
        f" a file may still lose {shown:.2f} points (95% interval)",
        accepted=f"{shown:.2f} or more here{needed}",
        remedy=remedy,
    )


def _more_images(recipe: Recipe, images: Mapping[str, int], enough: int) -> str:
    """Return the remedy for too few validation images: a fraction, where one gives enough."""
    together = sum(images[split] for split in ("train", "calibration", "validation"))
    given, fraction = together * recipe.data.validation, math.ceil(100 * enough / together) / 100
    if fraction >= LARGEST_FRACTION:
        return f"more images: no fraction below 0.5 of these {together:,} is enough"
    if abs(images["validation"] - given) > max(1, 0.1 * given):  # Chosen by the data themselves.
        return "more validation images"
    return f"a recipe with [data] validation = {fraction:g}"


def least_lost_points(images: int) -> float:
    """Return the worse end of the 95% interval of a file that answers as the original does.

    >>> round(least_lost_points(2500), 3)
    0.153
    """
    return 0.0 - 100 * difference_interval(0, 0, images)[0]


def kind_of_failure(error: EdgecvError) -> str:
    """Return what failures of several trials have in common: the message without its numbers."""
    return re.sub(r"[\d.,]+", "#", f"{type(error).__name__} {error.found}")
