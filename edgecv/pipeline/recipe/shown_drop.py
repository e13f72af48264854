"""A limit on the drop, and the validation images that it takes to show that it holds."""

import math
from bisect import bisect_left
from collections.abc import Mapping

from edgecv.core.errors import InputError
from edgecv.evaluation.statistics.binary_scores import difference_interval
from edgecv.pipeline.recipe.recipe import Recipe

LARGEST_FRACTION = 0.5
"""No source keeps this fraction of the training images for validation, or more."""


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
    return f"--validation {fraction:g}"


def least_lost_points(images: int) -> float:
    """Return the worse end of the 95% interval of a file that answers as the original does.

    >>> round(least_lost_points(2500), 3)
    0.153
    """
    return 0.0 - 100 * difference_interval(0, 0, images)[0]
