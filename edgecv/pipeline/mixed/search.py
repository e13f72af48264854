"""The search for the precision of each layer: by what it costs the outputs, under the limits."""

from collections.abc import Sequence
from typing import Protocol

from pydantic import BaseModel, ConfigDict

from edgecv.core.errors import StepError
from edgecv.core.text import counted
from edgecv.evaluation.limits import gate_texts
from edgecv.pipeline.mixed.trial_runner import MixedTrial
from edgecv.reports.ratio_text import measured_speed_text

FLOAT, FOUR_BITS, USUAL = "float32", "int4", "int8"


class LayerChoice(BaseModel):
    """The precisions of the layers of one file, and sentences on how they were chosen."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    layers: dict[str, str]
    notes: list[str]
    missed: str = ""
    """A sentence on the limits that no trial keeps."""


class Runner(Protocol):
    """Runs trials."""

    def run(self, layers: dict[str, str]) -> MixedTrial:
        """Return the trial of some precisions, by layer; other layers are int8."""


class LayerSearch:
    """A search from int8 for all layers: the worst become float, dense ones of 4 bits.

    Everything is decided by the outputs for the validation images and by sizes, in a fixed order:
    the same model and images give the same choice. Only a limit on time is measured.
    ``is_limited``: whether limits say how much answers may lose.
    """

    def __init__(self, runner: Runner, choices: Sequence[str], *, is_limited: bool) -> None:
        self._runner = runner
        self._choices = choices
        self._is_limited = is_limited
        self._runs: list[MixedTrial] = []

    def choice(self) -> LayerChoice:
        """Return the precisions, those of the nearest trial where no one keeps all limits."""
        start = self._run({})
        gains = {name: start.error - self._run({name: FLOAT}).error for name in start.weights}
        passes = [self._give_back, self._lower]
        found = start
        for each in passes if self._is_limited else reversed(passes):
            found = each(found, start, gains)
        if found.broken or found.over:
            found = min(self._runs, key=_distance)
        notes, missed = self._notes(start, found, gains), self._missed(found)
        return LayerChoice(layers=found.layers, notes=notes, missed=missed)

    def _run(self, layers: dict[str, str]) -> MixedTrial:
        trial = self._runner.run(layers)
        if trial not in self._runs:
            self._runs.append(trial)
        return trial

    def _give_back(
        self, found: MixedTrial, start: MixedTrial, gains: dict[str, float]
    ) -> MixedTrial:
        """Return a trial with layers in float: those whose rounding costs most, first.

        Until the limits on answers hold; without any, as many as size and time allow.
        """
        for name in sorted(gains, key=lambda name: -gains[name]):
            if self._is_limited and not found.broken:
                break
            if gains[name] <= 0 or name in found.layers:
                continue
            tried = self._run({**found.layers, name: FLOAT})
            if not tried.over:
                found = tried
        return found

    def _lower(self, found: MixedTrial, start: MixedTrial, gains: dict[str, float]) -> MixedTrial:
        """Return a trial with dense layers of 4 bits: those that cost least for a weight, first.

        While the limits on answers hold; without any, until the file is small enough.
        """
        for name in self._dense(start):
            if not self._is_limited and not found.over:
                break
            if name in found.layers:
                continue
            tried = self._run({**found.layers, name: FOUR_BITS})
            if tried.bytes < found.bytes and not tried.broken:
                found = tried
        return found

    def _dense(self, start: MixedTrial) -> list[str]:
        """Return the layers that may have 4 bits, by what that costs for each weight."""
        costs: dict[str, float] = {}
        for name in start.dense if FOUR_BITS in self._choices else ():
            try:
                lowered = self._run({name: FOUR_BITS})
            except StepError:  # Its operator would be slow with 4 bits, or cannot have them.
                continue
            costs[name] = (lowered.error - start.error) / start.weights[name]
        return sorted(costs, key=lambda name: costs[name])

    def _notes(self, start: MixedTrial, found: MixedTrial, gains: dict[str, float]) -> list[str]:
        chosen = ", ".join(f"{name} {found.layers.get(name, USUAL)}" for name in start.weights)
        shares = ", ".join(
            f"{name} {gain / start.error if start.error else 0:.0%}"
            for name, gain in sorted(gains.items(), key=lambda each: -each[1])
        )
        notes = [
            f"precisions of its layers, chosen on the validation images: {chosen}",
            f"there it {_losses(found)}; int8 for all layers {_losses(start)}",
            f"error of int8 that goes if one layer is float32: {shares}",
        ]
        if found.speedup is not None:
            notes.append("the choice is by measured time too: it may differ on another machine")
        return notes

    def _missed(self, found: MixedTrial) -> str:
        missed = [*found.broken, *found.over]
        if not missed:
            return ""
        texts = gate_texts()
        kept = "; ".join(f"the limit on {texts.get(name, name)}" for name in missed)
        nearest = "this is the nearest" if found.layers else "int8 for all layers is the nearest"
        return f"none of {counted(len(self._runs), 'trial')} keeps {kept}: {nearest}"


def _distance(trial: MixedTrial) -> tuple[float, ...]:
    """Return the order of trials that keep not all limits: the nearest first, then the smallest."""
    worst = trial.worst_points if trial.worst_points is not None else trial.error
    return (len(trial.over), len(trial.broken), worst, trial.bytes, trial.error)


def _losses(trial: MixedTrial) -> str:
    size = f"has {trial.bytes:,} bytes"
    speed = "" if trial.speedup is None else f", is {measured_speed_text(trial.speedup)}"
    if trial.lost_points is None or trial.worst_points is None:
        return f"{size}{speed} and an error of {trial.error:.2g} of the outputs' variance"
    worst = f"{-trial.worst_points:+.2f} at the worse end of the 95% interval"
    return f"{size}{speed} and {-trial.lost_points:+.2f} points ({worst})"
