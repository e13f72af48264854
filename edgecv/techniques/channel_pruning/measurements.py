"""Narrower models that are exported and measured: counted, estimated, each measured once."""

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from edgecv.core.costs import TrialExport
from edgecv.core.plugins import TechniqueContext
from edgecv.core.text import counted
from edgecv.models.training.estimate import duration
from edgecv.system.storage import content_key

Kept = Mapping[str, int]
"""Channels kept, by width."""


@dataclass
class Measurements:
    """The measurements of one round, stored one by one until the round is decided.

    ``make`` builds the model with these channels of these widths, and all of the others.
    """

    make: Callable[[Kept], Any]
    context: TechniqueContext
    runtime: str
    whole: Kept
    """All channels, by width."""
    stored_as: str
    """The beginning of the names that measurements are stored under."""
    activity: str = "exporting and timing"
    """The activity that is shown: nothing is timed for a target of bytes alone."""
    most: int = 1
    """About as many are measured in this round, at most."""
    _found: dict[str, TrialExport] = field(default_factory=dict)
    _message: str = ""

    def fresh(self, kept: Kept, precision: str) -> TrialExport:
        """Measure a candidate now, whatever is stored, and say how long the others may take."""
        self.context.progress(f"{self.activity} the narrowest model", 0, 1)
        began = time.perf_counter()
        found = self._measured(kept, precision)
        left = max(1, self.most - 1)
        seconds = (time.perf_counter() - began) * left
        count = counted(left, "candidate")
        self._message = f"{self.activity} {count} at most, about {duration(seconds)}"
        self._found[self._name(kept, precision)] = found
        return found

    def measure(self, kept: Kept, precision: str) -> TrialExport:
        """Return bytes and latency of a candidate: stored by an interrupted run, or measured."""
        name = self._name(kept, precision)
        if name not in self._found:
            done = len(self._found)  # The narrowest among them, which is no part of the estimate.
            self.context.progress(self._message, max(0, done - 1), max(self.most - 1, done, 1))
            stored = self.context.remember(name, lambda: asdict(self._measured(kept, precision)))
            self._found[name] = TrialExport(**stored)
        return self._found[name]

    def _measured(self, kept: Kept, precision: str) -> TrialExport:
        return self.context.trial(self.make(kept), self.runtime, precision)

    def _name(self, kept: Kept, precision: str) -> str:
        channels = sorted({**self.whole, **kept}.items())
        return f"{self.stored_as}-{content_key(self.runtime, precision, channels)[:16]}"
