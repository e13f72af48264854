"""Allocation of cuts to widths: the cheapest cut first, until every target is met."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.models.channels.costs import totals
from edgecv.models.channels.coupling import Ids
from edgecv.models.channels.graph import ChannelGraph, Width
from edgecv.techniques.channel_pruning.sensitivity import Damage
from edgecv.techniques.channel_pruning.timings import Timings
from edgecv.techniques.channel_pruning.width_steps import WidthSteps

LEAST_DAMAGE = 1e-6
"""Cuts that change nothing are taken by what they save."""
LEAST_WORTH = 1e-9
"""Cuts that save nothing of what is asked for come last."""


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
    """Upper limits of the costs; None for a cost that does not matter."""

    macs: float | None = None
    parameters: float | None = None
    latency_us: float | None = None

    def holds_in(self, candidate: Candidate) -> bool:
        """Return True if a candidate costs no more, by the estimates."""
        limits = (self.macs, self.parameters, self.latency_us)
        return all(
            limit is None or cost <= limit
            for limit, cost in zip(limits, candidate.costs, strict=True)
        )

    def worth(self, before: Candidate, saved: Saved) -> float:
        """Return the savings of a cut in the costs above their limits: the sum of fractions."""
        limits = (self.macs, self.parameters, self.latency_us)
        asked = [number for number, limit in enumerate(limits) if limit is not None]
        costs = before.costs
        open_ = [number for number in asked if costs[number] > (limits[number] or 0)]
        # If the estimates meet all limits, cut evenly: measurements decide.
        return float(sum(saved[each] / max(costs[each], 1e-9) for each in open_ or asked))


@dataclass(frozen=True)
class ChannelAllocation:
    """The possible cuts of a model, with their damage and their timings."""

    graph: ChannelGraph
    orders: Mapping[str, NDArray[np.int64]]
    """By the name of a width: its units, the least important first."""
    width_steps: WidthSteps
    damage: Damage
    timings: Timings | None = None

    def gone(self, kept: Mapping[str, int]) -> Ids:
        """Return the units that are removed when so many of each width are kept."""
        cut = [self.orders[name][: len(self.orders[name]) - count] for name, count in kept.items()]
        return np.concatenate([*cut, np.array([], np.int64)])

    def candidate(self, kept: Mapping[str, int]) -> Candidate:
        """Return the candidate with these channels; other widths are kept whole."""
        macs, parameters = totals(self.graph, self.graph.without(self.gone(kept)))
        return Candidate(kept, macs, parameters, self._latency_us(kept))

    def path(self, wanted: Wanted) -> Iterator[Candidate]:
        """Yield ever smaller candidates, from the top of each width_steps to its end.

        Each is the one before with one more cut: that of the least damage for what it saves.
        """
        widths = {
            width.name: width for width in self.graph.widths if width.name in self.width_steps
        }
        touched = {name: set(self.graph.touched_by(width)) for name, width in widths.items()}
        now = self.candidate({name: self.width_steps[name][0] for name in widths})
        savings: dict[str, Saved] = {}
        while True:
            yield now
            prices = {}
            for name, cut in self._cuts(now).items():
                if name not in savings:
                    savings[name] = self._saving(now.kept, cut, touched[name])
                harm = self._damage(cut, name) - self._damage(now.kept, name)
                worth = wanted.worth(now, savings[name])
                prices[name] = max(harm, LEAST_DAMAGE) / max(worth, LEAST_WORTH)
            if not prices:
                return
            best = min(prices, key=lambda name: prices[name])
            macs, parameters, us = now.costs - savings[best]
            now = Candidate(self._cuts(now)[best], int(macs), int(parameters), float(us))
            # The savings of a cut depend on the neighbouring widths.
            savings = {
                name: saved for name, saved in savings.items() if not touched[best] & touched[name]
            }

    def wider(self, candidate: Candidate) -> list[Candidate]:
        """Return candidates with one width a step wider, those that undo the most damage first."""
        found = []
        for name, count in candidate.kept.items():
            place = self.width_steps[name].index(count)
            if place:
                kept = {**candidate.kept, name: self.width_steps[name][place - 1]}
                mended = self._damage(candidate.kept, name) - self._damage(kept, name)
                found.append((mended, kept))
        found.sort(key=lambda each: -each[0])
        return [self.candidate(kept) for _, kept in found]

    def _cuts(self, now: Candidate) -> dict[str, dict[str, int]]:
        """Return, by the width that is cut by a step, what is kept then."""
        cuts = {}
        for name, count in now.kept.items():
            place = self.width_steps[name].index(count) + 1
            if place < len(self.width_steps[name]):
                cuts[name] = {**now.kept, name: self.width_steps[name][place]}
        return cuts

    def _damage(self, kept: Mapping[str, int], name: str) -> float:
        return self.damage[name][self.width_steps[name].index(kept[name])]

    def _saving(
        self, before: Mapping[str, int], after: Mapping[str, int], paths: Collection[str]
    ) -> Saved:
        larger = totals(self.graph, self.graph.without(self.gone(before)), paths)
        smaller = totals(self.graph, self.graph.without(self.gone(after)), paths)
        us = self._latency_us(before) - self._latency_us(after)
        return np.array([larger[0] - smaller[0], larger[1] - smaller[1], us])

    def _latency_us(self, kept: Mapping[str, int]) -> float:
        if self.timings is None:
            return 0.0
        saved = (self.timings.saved_us(name, count) for name, count in kept.items())
        return max(0.0, self.timings.whole_us - sum(saved))


def order_of(width: Width, scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the units of a width, the least important first."""
    return width.units[np.argsort(scores[width.units], kind="stable")]


def narrowest(graph: ChannelGraph, width_steps: WidthSteps) -> Candidate:
    """Return the narrowest model that can be made."""
    orders = {each.name: each.units for each in graph.widths}
    narrowest = {name: steps[-1] for name, steps in width_steps.items()}
    return ChannelAllocation(graph, orders, width_steps, {}).candidate(narrowest)
