"""How far each width is cut: the cheapest cut first, until every target is met."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.channels.costs import totals
from edgecv.channels.ties import Ids
from edgecv.channels.trace import Alive, ChannelGraph, Width
from edgecv.techniques._sensitivity import Damage, Ladder

LEAST_DAMAGE = 1e-6
"""Cuts that change nothing are taken by what they save."""
LEAST_WORTH = 1e-9
"""Cuts that save nothing of what is asked for come last."""
MOST_TIMINGS = 32


Saved = NDArray[np.float64]
"""Multiply-accumulates, parameters, microseconds: float64 (3,)."""


@dataclass(frozen=True)
class Candidate:
    """A model that could be made: the channels kept of each width, and what it would cost."""

    kept: Mapping[str, int]
    macs: int
    parameters: int
    latency_us: float
    """An estimate; 0 where no latency is asked for."""

    @property
    def costs(self) -> Saved:
        """All costs as one array."""
        return np.array([self.macs, self.parameters, self.latency_us])


@dataclass(frozen=True)
class Wanted:
    """How low each cost is to get; None for a cost that does not matter."""

    macs: float | None = None
    parameters: float | None = None
    latency_us: float | None = None

    def worth(self, before: Candidate, saved: Saved) -> float:
        """Return how much of what is still too much a cut saves: fractions, added."""
        limits = (self.macs, self.parameters, self.latency_us)
        asked = [number for number, limit in enumerate(limits) if limit is not None]
        costs = before.costs
        open_ = [number for number in asked if costs[number] > (limits[number] or 0)]
        # All reached, by the estimates: go on evenly, for the measurements have the last word.
        return float(sum(saved[each] / max(costs[each], 1e-9) for each in open_ or asked))


def candidates(
    graph: ChannelGraph,
    orders: Mapping[str, NDArray[np.int64]],
    ladder: Ladder,
    damage: Damage,
    wanted: Wanted,
    timings: "Timings | None" = None,
) -> Iterator[Candidate]:
    """Give ever smaller candidates, from the top of each ladder to its end.

    Each is the one before with one more cut: that of the least damage for what it saves.
    """
    widths = {width.name: width for width in graph.widths if width.name in ladder}
    touched = {name: graph.touched_by(width) for name, width in widths.items()}
    places = dict.fromkeys(widths, 0)
    whole = {name: ladder[name][0] for name in widths}
    latency_us = timings.whole_us if timings else 0.0
    now = Candidate(whole, *totals(graph, alive_with(graph, orders, whole)), latency_us)
    savings: dict[str, Saved] = {}
    while True:
        yield now
        alive = alive_with(graph, orders, now.kept)
        best, least = None, np.inf
        for name in widths:
            if places[name] + 1 == len(ladder[name]):
                continue
            if name not in savings:
                kept = {**now.kept, name: ladder[name][places[name] + 1]}
                smaller = alive_with(graph, orders, kept)
                macs, parameters = _saving(graph, alive, smaller, touched[name])
                us = timings.saved_us(name, now.kept[name], kept[name]) if timings else 0.0
                savings[name] = np.array([macs, parameters, us])
            worth = wanted.worth(now, savings[name])
            harm = damage[name][places[name] + 1] - damage[name][places[name]]
            price = max(harm, LEAST_DAMAGE) / max(worth, LEAST_WORTH)
            if price < least:
                best, least = name, price
        if best is None:
            return
        places[best] += 1
        macs, parameters, us = savings[best]
        now = Candidate(
            {**now.kept, best: ladder[best][places[best]]},
            now.macs - int(macs),
            now.parameters - int(parameters),
            now.latency_us - us,
        )
        changed = set(touched[best])
        savings = {name: each for name, each in savings.items() if not changed & set(touched[name])}


@dataclass(frozen=True)
class Timings:
    """Latency with one width cut at a time, measured (Yang et al., "NetAdapt", 2018)."""

    whole_us: float
    by_width: Mapping[str, tuple[tuple[int, float], ...]]
    """Channels kept and the latency with them, falling."""

    def saved_us(self, name: str, before: int, after: int) -> float:
        """Return what going from so many channels to so many saves: between measurements, a line.

        A cut that was timed as slower saves nothing.
        """
        kept, us = zip(*reversed(self.by_width[name]), strict=True)
        return max(0.0, float(np.interp(before, kept, us) - np.interp(after, kept, us)))


def measure_timings(
    ladder: Ladder,
    time_us: Callable[[Mapping[str, int]], float],
    progress: Callable[[int, int], None],
) -> Timings:
    """Time the whole model, and each width at some steps of its ladder: the last one at least.

    ``time_us`` times the model with these channels kept of these widths.
    """
    each = max(1, MOST_TIMINGS // len(ladder))
    chosen: dict[str, tuple[int, ...]] = {}
    for name, steps in ladder.items():
        places = np.unique(np.linspace(len(steps) - 1, 0, min(each + 1, len(steps))).round())
        chosen[name] = tuple(steps[int(place)] for place in places[1:])
    total, done = 1 + sum(map(len, chosen.values())), 1
    whole_us = time_us({})
    by_width: dict[str, tuple[tuple[int, float], ...]] = {}
    for name, counts in chosen.items():
        timed = [(ladder[name][0], whole_us)]
        for kept in counts:
            progress(done, total)
            timed.append((kept, time_us({name: kept})))
            done += 1
        by_width[name] = tuple(timed)
    return Timings(whole_us, by_width)


def alive_with(
    graph: ChannelGraph, orders: Mapping[str, NDArray[np.int64]], kept: Mapping[str, int]
) -> Alive:
    """Return the channels of a candidate: of each width the most important so many."""
    gone: list[Ids] = [
        order[: len(order) - kept[name]] for name, order in orders.items() if name in kept
    ]
    return graph.without(np.concatenate(gone) if gone else np.array([], np.int64))


def order_of(width: Width, scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the units of a width, the least important first."""
    return width.units[np.argsort(scores[width.units], kind="stable")]


def _saving(
    graph: ChannelGraph, before: Alive, after: Alive, paths: tuple[str, ...]
) -> tuple[int, int]:
    larger, smaller = totals(graph, before, paths), totals(graph, after, paths)
    return larger[0] - smaller[0], larger[1] - smaller[1]
