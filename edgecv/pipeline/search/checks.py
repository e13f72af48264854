"""Checks of a search before its first trial: its folder, its limits, its data."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgecv.core.errors import EdgecvError, InputError
from edgecv.core.files import read_regular
from edgecv.core.plugins import Task
from edgecv.core.tables import json_value
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.statistics.binary_scores import difference_interval
from edgecv.system.storage import write_json

IDENTITY = "search.json"
LARGEST_IDENTITY_BYTES = 10_000_000


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


def check_reachable(limits: Limits, images: int, has_labels: bool, task: Task, name: str) -> None:
    """Raise InputError for a limit on the drop that no file could be shown to hold.

    ``images``: those of the validation split.
    """
    if not has_labels:
        raise InputError(
            name,
            "has no labels, and trials are compared by their answers to labelled images",
            remedy="use edgecv compress, or put class folders under train/ and test/",
        )
    limit = limits.max_drop_points
    if not images:
        raise InputError(
            name,
            "has no validation images, which trials are judged on",
            remedy="put images under train/: some of them are taken",
        )
    if not task.has_binary_scores or not isinstance(limit, int | float):
        return
    least = least_lost_points(images)
    if limit < least:
        enough = (2**n for n in range(40) if least_lost_points(2**n) <= limit)
        needed = f", or about {next(enough):,} validation images" if limit else ""
        raise InputError(
            f"--max-drop {limit:g}",
            f"cannot be shown on {images:,} validation images: with the same answer to each of them"
            f" a file may still lose {least:.2f} points (95% interval)",
            accepted=f"{least:.2f} or more here{needed}",
            remedy="a recipe sets their number: [data] validation = 0.3",
        )


def least_lost_points(images: int) -> float:
    """Return the worse end of the 95% interval of a file that answers as the original does.

    >>> round(least_lost_points(2500), 3)
    0.153
    """
    return 0.0 - 100 * difference_interval(0, 0, images)[0]


def kind_of_failure(error: EdgecvError) -> str:
    """Return what failures of several trials have in common: the message without its numbers."""
    return re.sub(r"[\d.,]+", "#", f"{type(error).__name__} {error.found}")
