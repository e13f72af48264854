"""The trials of a search as a picture: points lost against bytes, the front among them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgecv.reports.png import new_figure, write_picture

LEAST_SHOWN = 5.0
"""Points lost that are always in the picture."""


@dataclass(frozen=True)
class Spot:
    """One file of the picture."""

    label: str
    kilobytes: float
    points: float
    lost_points: float
    """Points lost at the worse end of the interval."""
    speedup: float | None = None


def write_front(
    tried: Sequence[Spot], front: Sequence[Spot], limits: dict[str, Any], path: Path
) -> None:
    """Draw the trials on validation images, and the front on test images, into a PNG file."""
    figure = new_figure(9, 5)
    axes = figure.subplots()
    axes.scatter(
        [each.kilobytes for each in tried],
        [each.points for each in tried],
        color="lightgrey",
        label="trials, on validation images",
    )
    below = [each.points + each.lost_points for each in front]
    axes.errorbar(
        [each.kilobytes for each in front],
        [each.points for each in front],
        yerr=[below, [0.0] * len(front)],
        fmt="o",
        capsize=3,
        color="tab:blue",
        label="front, on test images, down to the worse end of the 95% interval",
    )
    for each in front:
        speed = f", {each.speedup:.1f}x" if each.speedup else ""
        axes.annotate(
            f"{each.label}{speed}",
            (each.kilobytes, each.points),
            xytext=(6, 4),
            textcoords="offset points",
            fontsize=8,
        )
    lowest = [-LEAST_SHOWN, *(-each.lost_points for each in front)]
    if isinstance(limits.get("max_drop_points"), int | float):
        axes.axhline(-limits["max_drop_points"], color="grey", linewidth=0.8, linestyle="--")
        lowest.append(-3 * limits["max_drop_points"])
    # Networks that learned nothing would leave the others one line.
    axes.set_ylim(bottom=max(1.1 * min(lowest), axes.get_ylim()[0]))
    if limits.get("max_bytes"):
        axes.axvline(limits["max_bytes"] / 1000, color="grey", linewidth=0.8, linestyle="--")
    axes.set(xlabel="kilobytes", ylabel="points gained", title="Quality against bytes")
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize=8)
    write_picture(figure, path)
