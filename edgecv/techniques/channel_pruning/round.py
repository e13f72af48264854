"""One round of channel pruning: channels ranked, candidates measured, the widest that holds."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import TechniqueContext
from edgecv.models.channels.graph import ChannelGraph
from edgecv.models.channels.rebuild import rebuild
from edgecv.techniques.channel_pruning.allocation import ChannelAllocation, order_of
from edgecv.techniques.channel_pruning.measurements import Measurements
from edgecv.techniques.channel_pruning.ranking import Ranking, scores
from edgecv.techniques.channel_pruning.sensitivity import damages
from edgecv.techniques.channel_pruning.targets import Search, Targets
from edgecv.techniques.channel_pruning.width_steps import WidthSteps


@dataclass(frozen=True)
class PruningRound:
    """Round ``number`` of ``count``: the model before it, what it may remove, and the targets."""

    model: KerasModel
    graph: ChannelGraph
    width_steps: WidthSteps
    targets: Targets
    ranking: Ranking
    number: int
    count: int

    def choose(self, context: TechniqueContext) -> dict[str, Any]:
        """Return the units to remove, ``gone``, and sentences for the report, ``notes``."""
        began = time.perf_counter()
        narrowing = self._ranked(context)
        took = time.perf_counter() - began
        whole = {name: steps[0] for name, steps in self.width_steps.items()}
        measurements = Measurements(
            lambda kept: rebuild(
                self.model, self.graph, self.graph.without(narrowing.gone({**whole, **kept}))
            ),
            context,
            self.targets.runtime,
            whole,
            f"round-{self.number}-trial",
            "exporting and timing" if self.targets.is_timed else "exporting",
        )
        search = Search(self.targets, self.width_steps, measurements)
        wanted = search.wanted()
        narrowing = replace(narrowing, timings=search.timings)
        path = list(narrowing.path(wanted))
        place = search.first_that_holds(path)
        if self.number == self.count:
            chosen = search.widened(path[place], narrowing, wanted)
        else:  # With rounds to come, an even part of the way.
            chosen = path[-(-place // (self.count - self.number + 1))]
        notes = [
            f"ranked by {self.ranking} in {took:.1f} s, {len(path)} candidates; multiply-"
            f"accumulates {chosen.macs:,}, parameters {chosen.parameters:,}",
            *search.notes,
        ]
        return {"gone": narrowing.gone(chosen.kept).tolist(), "notes": notes}

    def _ranked(self, context: TechniqueContext) -> ChannelAllocation:
        context.progress(f"ranking channels by {self.ranking}", 0, 1)
        found = scores(self.model, self.graph, self.ranking, context)
        orders = {each.name: order_of(each, found) for each in self.graph.widths}
        damage: dict[str, Sequence[float]] = context.remember(
            f"round-{self.number}-damage",
            lambda: dict(damages(self.model, self.graph, orders, self.width_steps, context)),
        )
        return ChannelAllocation(
            self.graph,
            orders,
            self.width_steps,
            {name: tuple(each) for name, each in damage.items()},
        )
