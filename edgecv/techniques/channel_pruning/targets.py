"""Targets of a narrower model, and the search for the widest one that meets them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from edgecv.core.costs import TrialExport
from edgecv.core.errors import InputError
from edgecv.techniques.channel_pruning.allocation import Candidate, ChannelAllocation, Wanted
from edgecv.techniques.channel_pruning.measurements import Measurements
from edgecv.techniques.channel_pruning.timings import Timings, measure_timings, timed_cuts
from edgecv.techniques.channel_pruning.width_steps import WidthSteps

MOST_WIDENINGS = 8
"""Candidates that are measured to widen the one that was found."""


@dataclass(frozen=True)
class Targets:
    """The limits on a narrower model; None for a limit that is not set."""

    macs: float | None
    parameters: int | None
    int8_bytes: int | None
    latency_us: float | None
    speedup: float | None
    runtime: str
    precision: str
    arena_bytes: int | None = None

    @property
    def is_timed(self) -> bool:
        """True if a latency or a speedup is asked for."""
        return self.latency_us is not None or self.speedup is not None

    @property
    def is_measured(self) -> bool:
        """True if a target can only be measured on a file."""
        return self.is_timed or self.is_of_int8

    @property
    def is_of_int8(self) -> bool:
        """True if bytes of an int8 file, or of its memory, are asked for."""
        return self.int8_bytes is not None or self.arena_bytes is not None

    @property
    def precisions(self) -> tuple[str, ...]:
        """The precisions that candidates are measured at."""
        of_bytes = ("int8",) if self.is_of_int8 else ()
        return tuple(dict.fromkeys((*of_bytes, *((self.precision,) if self.is_timed else ()))))

    def hold_in(self, candidate: Candidate) -> bool:
        """Return True if the limits on multiply-accumulates and parameters are met."""
        return (self.macs is None or candidate.macs <= self.macs) and (
            self.parameters is None or candidate.parameters <= self.parameters
        )


@dataclass
class Search:
    """The search for one model, which measures candidates and notes the results."""

    targets: Targets
    width_steps: WidthSteps
    measurements: Measurements
    timings: Timings | None = None
    notes: list[str] = field(default_factory=list)
    _twin_us: float = 0.0

    def wanted(self) -> Wanted:
        """Return the targets as limits on the estimated costs, which takes some measurements."""
        targets, parameters, latency_us = self.targets, self.targets.parameters, None
        if targets.is_measured:
            # First, as nothing else needs to be measured if it fails; and always anew, as a
            # stored timing of a busy machine would refuse the target for ever.
            self.measurements.most = self._most_candidates()
            narrowest = {name: steps[-1] for name, steps in self.width_steps.items()}
            for precision in targets.precisions:
                self.measurements.fresh(narrowest, precision)
            holds, found = self._measure(narrowest)
            if not holds:
                raise out_of_reach("target", f"is not met by the narrowest model ({found})")
        if targets.is_timed:
            self.timings = measure_timings(
                self.width_steps,
                lambda kept: self._try(kept, targets.precision).latency_us,
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
        again. Raises InputError if the last one does not hold.
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
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if self._measure(path[middle].kept)[0] else (middle + 1, high)
        return high

    def widened(self, best: Candidate, narrowing: ChannelAllocation, wanted: Wanted) -> Candidate:
        """Return the candidate widened where targets allow it, as steps on the path are coarse.

        One width after the other is made a step wider, while all targets hold.
        """
        if self.targets.arena_bytes is not None:
            best = self._whole_where_it_fits(best, narrowing, wanted)
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

    def _whole_where_it_fits(
        self, best: Candidate, narrowing: ChannelAllocation, wanted: Wanted
    ) -> Candidate:
        """Return the candidate with each width whole again that the peak of memory is not made of.

        The path cuts all widths, and memory depends on those of a few layers.
        """
        for name, steps in self.width_steps.items():
            wider = narrowing.candidate({**best.kept, name: steps[0]})
            if wider.kept == best.kept:
                continue
            fits = self.targets.hold_in(wider) and wanted.holds_in(wider)
            if fits and self._measure(wider.kept)[0]:
                best = wider
        return best

    def _measure(self, kept: Mapping[str, int]) -> tuple[bool, str]:
        """Return True if a candidate meets the measured targets, and the measurements as text."""
        targets, found, holds = self.targets, [], True
        if targets.is_of_int8:
            tried = self._try(kept, "int8")
            holds = targets.int8_bytes is None or tried.bytes <= targets.int8_bytes
            found.append(f"{tried.bytes:,} bytes as int8")
            if targets.arena_bytes is not None:
                if tried.arena_bytes is None:
                    raise out_of_reach("arena_bytes", "is of plain C, which lacks an operator")
                holds = holds and tried.arena_bytes <= targets.arena_bytes
                over = tried.arena_bytes - targets.arena_bytes
                found.append(
                    f"{tried.arena_bytes:,} bytes of memory while {tried.peak} runs"
                    + (f", {over:,} too many" if over > 0 else "")
                )
        if targets.is_timed:
            tried = self._try(kept, targets.precision)
            holds = holds and tried.latency_us <= (targets.latency_us or tried.latency_us)
            holds = holds and tried.speedup >= (targets.speedup or tried.speedup)
            found.append(
                f"{tried.latency_us:.1f} us on {targets.runtime} at {targets.precision}, "
                f"{tried.speedup:.2f} times faster than the float32 twin"
            )
        text = ", ".join(found)
        widths = ", ".join(f"{name} {count}" for name, count in kept.items())
        self.notes.append(f"tried {widths}: {text}")
        return holds, text

    def _parameters_that_fit(self, most_bytes: int) -> int:
        """Return an estimate on the line through the bytes of the widest and narrowest model."""
        sizes = []
        for place in (0, -1):
            kept = {name: steps[place] for name, steps in self.width_steps.items()}
            parameters = int(self.measurements.make(kept).count_params())
            sizes.append((parameters, self._try(kept, "int8").bytes))
        (most, largest), (least, smallest) = sizes
        if largest == smallest:
            return most
        return int(least + (most_bytes - smallest) * (most - least) / (largest - smallest))

    def _try(self, kept: Mapping[str, int], precision: str) -> TrialExport:
        tried = self.measurements.measure(kept, precision)
        self._twin_us = tried.latency_us * tried.speedup
        return tried

    def _most_candidates(self) -> int:
        """Return about how many candidates are measured at most."""
        targets, steps = self.targets, self.width_steps
        cuts = sum(map(len, timed_cuts(steps).values())) if targets.is_timed else 0
        halvings = sum(len(each) - 1 for each in steps.values()).bit_length()
        whole = len(steps) if targets.arena_bytes is not None else 0
        one_by_one = 2 + halvings + MOST_WIDENINGS + whole
        return cuts + len(targets.precisions) * one_by_one


def out_of_reach(option: str, found: str, accepted: str = "") -> InputError:
    """Return the error for a target that no candidate holds."""
    return InputError(
        f"shrink, {option}",
        found,
        accepted=accepted,
        remedy="ask for a larger or slower model, or lower floor or multiple in a recipe",
    )
