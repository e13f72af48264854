"""Timings of a model with one width cut at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from edgecv.techniques.channel_pruning.width_steps import WidthSteps

MOST_TIMINGS = 32


@dataclass(frozen=True)
class Timings:
    """Latency with one width cut at a time, measured (Yang et al., "NetAdapt", 2018)."""

    whole_us: float
    by_width: Mapping[str, tuple[tuple[int, float], ...]]
    """Pairs of kept channels and latency, falling."""

    def saved_us(self, name: str, kept: int) -> float:
        """Return the microseconds saved by a cut of one width, interpolated between measurements.

        A cut that was timed as slower saves nothing.
        """
        counts, us = zip(*reversed(self.by_width[name]), strict=True)
        return max(0.0, self.whole_us - float(np.interp(kept, counts, us)))


def timed_cuts(width_steps: WidthSteps) -> dict[str, tuple[int, ...]]:
    """Return the channels kept of each width that is timed alone: at least its last step."""
    each = max(1, MOST_TIMINGS // len(width_steps))
    chosen: dict[str, tuple[int, ...]] = {}
    for name, steps in width_steps.items():
        places = np.unique(np.linspace(len(steps) - 1, 0, min(each + 1, len(steps))).round())
        chosen[name] = tuple(steps[int(place)] for place in places[1:])
    return chosen


def measure_timings(
    width_steps: WidthSteps, time_us: Callable[[Mapping[str, int]], float]
) -> Timings:
    """Time the whole model, and each width at some of its steps.

    ``time_us`` times the model with these channels kept of these widths.
    """
    whole_us = time_us({})
    by_width: dict[str, tuple[tuple[int, float], ...]] = {}
    for name, counts in timed_cuts(width_steps).items():
        timed = [(kept, time_us({name: kept})) for kept in counts]
        by_width[name] = ((width_steps[name][0], whole_us), *timed)
    return Timings(whole_us, by_width)
