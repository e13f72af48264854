"""How far each width is cut: the cheapest cut first, until every target is met."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.channels.costs import totals
from edgecv.channels.ties import Ids
from edgecv.channels.trace import Alive, ChannelGraph, Width
from edgecv.techniques._sensitivity import Damage, Ladder

LEAST_DAMAGE = 1e-6
"""Cuts that change nothing are taken by what they save."""


@dataclass(frozen=True)
class Candidate:
    """A model that could be made: the channels kept of each width, and what it would cost."""

    kept: Mapping[str, int]
    macs: int
    parameters: int


@dataclass(frozen=True)
class Weighing:
    """What a cut is judged by: savings of multiply-accumulates, of parameters, or of both."""

    macs: bool
    parameters: bool
    macs_wanted: float = 0
    """Once there are no more than this, saving them counts for nothing."""
    parameters_wanted: float = 0

    def worth(self, before: Candidate, macs: int, parameters: int) -> float:
        """Return how much of what is still to be saved a cut saves: fractions, added."""
        total = 0.0
        if self.macs and before.macs > self.macs_wanted:
            total += macs / before.macs
        if self.parameters and before.parameters > self.parameters_wanted:
            total += parameters / before.parameters
        return total


def candidates(
    graph: ChannelGraph,
    orders: Mapping[str, NDArray[np.int64]],
    ladder: Ladder,
    damage: Damage,
    weighing: Weighing,
) -> Iterator[Candidate]:
    """Give ever smaller candidates, from the top of each ladder to its end.

    Each is the one before with one more cut: that of the least damage for what it saves.
    """
    widths = {width.name: width for width in graph.widths if width.name in ladder}
    touched = {name: graph.touched_by(width) for name, width in widths.items()}
    places = dict.fromkeys(widths, 0)
    whole = {name: ladder[name][0] for name in widths}
    now = Candidate(whole, *totals(graph, alive_with(graph, orders, whole)))
    savings: dict[str, tuple[int, int]] = {}
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
                savings[name] = _saving(graph, alive, smaller, touched[name])
            worth = weighing.worth(now, *savings[name])
            harm = damage[name][places[name] + 1] - damage[name][places[name]]
            price = max(harm, LEAST_DAMAGE) / worth if worth else np.inf
            if price < least:
                best, least = name, price
        if best is None:
            return
        places[best] += 1
        now = Candidate(
            {**now.kept, best: ladder[best][places[best]]},
            now.macs - savings[best][0],
            now.parameters - savings[best][1],
        )
        changed = set(touched[best])
        savings = {name: each for name, each in savings.items() if not changed & set(touched[name])}


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
