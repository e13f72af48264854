"""What a narrower model must hold, and the search for the widest one that does."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.plugins import TechniqueContext
from edgecv.core.records import TrialExport
from edgecv.techniques.channel_pruning.allocation import Candidate, ChannelAllocation, Wanted
from edgecv.techniques.channel_pruning.sensitivity import Ladder
from edgecv.techniques.channel_pruning.timings import Timings, measure_timings

MOST_WIDENINGS = 8
"""Candidates that are measured to widen the one that was found."""


@dataclass(frozen=True)
class Targets:
    """All that is asked for at once; None where it is not."""

    macs: float | None
    parameters: int | None
    int8_bytes: int | None
    latency_us: float | None
    speedup: float | None
    runtime: str
    precision: str

    @property
    def is_timed(self) -> bool:
        """Whether a latency is asked for."""
        return self.latency_us is not None or self.speedup is not None

    @property
    def is_measured(self) -> bool:
        """Whether something is asked for that only a file can show."""
        return self.is_timed or self.int8_bytes is not None

    def hold_in(self, candidate: Candidate) -> bool:
        """Tell whether all targets that can be counted are met."""
        return (self.macs is None or candidate.macs <= self.macs) and (
            self.parameters is None or candidate.parameters <= self.parameters
        )


@dataclass
class Search:
    """The search for one model: what was tried, and what was learned from it.

    ``make`` builds the model with these channels kept of these widths, all of the others.
    """

    targets: Targets
    ladder: Ladder
    make: Callable[[Mapping[str, int]], Any]
    context: TechniqueContext
    timings: Timings | None = None
    notes: list[str] = field(default_factory=list)
    _twin_us: float = 0.0
    _tried: dict[tuple[str, tuple[tuple[str, int], ...]], TrialExport] = field(default_factory=dict)

    def wanted(self) -> Wanted:
        """Return how low each cost is to get, in what cuts save: for this something is measured."""
        targets, parameters, latency_us = self.targets, self.targets.parameters, None
        if targets.is_measured:
            # First of all, as nothing else needs to be measured where it does not hold.
            self._check_narrowest({name: steps[-1] for name, steps in self.ladder.items()})
        if targets.is_timed:
            self.timings = measure_timings(
                self.ladder,
                lambda kept: self._try(kept, targets.precision).latency_us,
                lambda done, total: self.context.progress("timing single cuts", done, total),
            )
            asked = [targets.latency_us] if targets.latency_us else []
            asked += [self._twin_us / targets.speedup] if targets.speedup else []
            latency_us = min(asked)
        if targets.int8_bytes is not None:
            fits = self._parameters_that_fit(targets.int8_bytes)
            parameters = min(parameters, fits) if parameters is not None else fits
        return Wanted(targets.macs, parameters, latency_us)

    def first_that_holds(self, path: Sequence[Candidate]) -> int:
        """Return the place of the first candidate on the path that holds all targets.

        Each place has less of everything than the one before, so the path is halved again and
        again. Raises InputError where the last one does not hold.
        """
        first = next((n for n, each in enumerate(path) if self.targets.hold_in(each)), None)
        if first is None:
            least = path[-1]
            raise out_of_reach(
                "macs and parameters",
                "are not met by the narrowest model",
                f"{least.macs:,} multiply-accumulates, {least.parameters:,} parameters and more",
            )
        if not self.targets.is_measured:
            return first
        low, high = first, len(path) - 1
        step, steps = 1, (high - low).bit_length() + 1
        while low < high:
            self.context.progress("measuring candidates", step, steps)
            middle, step = (low + high) // 2, step + 1
            low, high = (low, middle) if self._measure(path[middle].kept)[0] else (middle + 1, high)
        return high

    def widened(self, best: Candidate, narrowing: ChannelAllocation, wanted: Wanted) -> Candidate:
        """Return the candidate with what it can be given back: steps on the path are coarse.

        One width after the other is made a step wider, while all targets hold.
        """
        tries = 0
        while True:
            for wider in narrowing.wider(best):
                if not (self.targets.hold_in(wider) and wanted.holds_in(wider)):
                    continue
                if self.targets.is_measured:
                    tries += 1
                    if tries > MOST_WIDENINGS:
                        return best
                    if not self._measure(wider.kept)[0]:
                        continue
                best = wider
                break
            else:
                return best

    def _check_narrowest(self, kept: Mapping[str, int]) -> None:
        holds, words = self._measure(kept)
        if not holds:
            raise out_of_reach("target", f"is not met by the narrowest model ({words})")

    def _measure(self, kept: Mapping[str, int]) -> tuple[bool, str]:
        """Tell whether a candidate holds what can only be measured, and what it is."""
        targets, words, holds = self.targets, [], True
        if targets.int8_bytes is not None:
            tried = self._try(kept, "int8")
            holds = tried.bytes <= targets.int8_bytes
            words.append(f"{tried.bytes:,} bytes as int8")
        if targets.is_timed:
            tried = self._try(kept, targets.precision)
            holds = holds and tried.latency_us <= (targets.latency_us or tried.latency_us)
            holds = holds and tried.speedup >= (targets.speedup or tried.speedup)
            words.append(
                f"{tried.latency_us:.1f} us on {targets.runtime} at {targets.precision}, "
                f"{tried.speedup:.2f} times faster than the float32 twin"
            )
        said = ", ".join(words)
        widths = ", ".join(f"{name} {count}" for name, count in kept.items())
        self.notes.append(f"tried {widths}: {said}")
        return holds, said

    def _parameters_that_fit(self, most_bytes: int) -> int:
        """Estimate it on the line through the widest and the narrowest model's bytes."""
        sizes = []
        for place in (0, -1):
            kept = {name: steps[place] for name, steps in self.ladder.items()}
            parameters = int(self.make(kept).count_params())
            sizes.append((parameters, self._try(kept, "int8").bytes))
        (most, largest), (least, smallest) = sizes
        if largest == smallest:
            return most
        return int(least + (most_bytes - smallest) * (most - least) / (largest - smallest))

    def _try(self, kept: Mapping[str, int], precision: str) -> TrialExport:
        """Export and time a model once: bytes and latency of one file come together."""
        whole = {name: steps[0] for name, steps in self.ladder.items()}
        key = (precision, tuple(sorted({**whole, **kept}.items())))
        if key not in self._tried:
            self._tried[key] = self.context.trial(self.make(kept), self.targets.runtime, precision)
        tried = self._tried[key]
        self._twin_us = tried.latency_us * tried.speedup
        return tried


def out_of_reach(option: str, found: str, accepted: str = "") -> InputError:
    """Return the error for a target that no candidate holds."""
    return InputError(
        f"shrink, {option}",
        found,
        accepted=accepted,
        remedy="ask for a larger or slower model, or lower floor or multiple in a recipe",
    )
