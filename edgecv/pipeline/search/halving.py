"""Successive halving: which recipes are trained in full, and which no training could help."""

import math
from collections.abc import Sequence

from edgecv.core.plugins import ModelProperty, Technique
from edgecv.core.report import Report
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.front import exceeded
from edgecv.pipeline.search.options import PROMOTED
from edgecv.pipeline.search.trial import SearchTrial, TrialFigures, figures_of, unmeasured

CLEARLY = 4 / 3
"""A file that exceeds a limit by so many times does so in any measurement, and however its weights
were trained."""
SLOWER = 1.1
"""A file that is so many times slower than a limit is hardly within it by the noise of a time."""
TIMES = ("min_speedup", "max_latency_us")
"""Limits on what differs from one measurement to the next."""
SMALLER = {ModelProperty.ZEROS, ModelProperty.SHARED_VALUES}
"""Properties that make some files smaller, of as many weights."""


def needs_control(report: Report, recipe: Recipe, base: Recipe) -> bool:
    """Return True for a run without a control that holds all limits but, maybe, those on times.

    One that does not would hold them no better against the better of baseline and control. None is
    needed where nothing is trained, nothing was measured, or ``base`` asks for none.
    """
    if not recipe.trains or base.settings.control == "off" or unmeasured(report):
        return False
    held = all(gate.outcome == "passed" for gate in report.gates if gate.name not in TIMES)
    return held and not cannot_hold(figures_of(report, recipe), base.gates)


def cannot_hold(figures: TrialFigures, limits: Limits) -> bool:
    """Return True for a file that no further training brings within the limits.

    Its bytes stay, and so does its time: one that exceeds a limit clearly, not by noise, so that
    the same seed leads to the same trials.
    """
    return is_larger(figures, limits, 1) or is_slower(figures, limits, CLEARLY)


def is_larger(figures: TrialFigures, limits: Limits, times: float) -> bool:
    """Return True for a file that has more than so many times the bytes that a limit allows."""
    sizes = (limits.max_bytes, figures.bytes), (limits.max_gzip_bytes, figures.gzip_bytes)
    return any(most is not None and own > most * times for most, own in sizes)


def is_slower(figures: TrialFigures, limits: Limits, times: float) -> bool:
    """Return True for a file that is more than so many times slower than a limit allows."""
    least, most = limits.min_speedup, limits.max_latency_us
    if least is not None and figures.speedup and figures.speedup * times < least:
        return True
    return bool(most and figures.median_us and figures.median_us > most * times)


def _is_beyond(figures: TrialFigures, limits: Limits, larger: float, slower: float) -> bool:
    return is_larger(figures, limits, larger) or is_slower(figures, limits, slower)


def wider_than_allowed(
    recipe: Recipe, trials: Sequence[SearchTrial], limits: Limits
) -> SearchTrial | None:
    """Return a finished trial that shows that no file of a recipe could hold the limits.

    Both have the network as it is, and the file of that one is clearly too large or too slow.
    """
    if not keeps_network(recipe):
        return None
    exports = recipe.table()["export"]
    return next((
        each
        for each in trials
        if each.state == "finished"
        and each.figures is not None
        and each.recipe["export"] == exports
        and _is_beyond(each.figures, limits, CLEARLY, CLEARLY)
        and keeps_network(each.parsed)
    ), None)  # fmt: skip


def keeps_network(recipe: Recipe) -> bool:
    """Return True for a recipe whose file has as many weights as the plain one, all different."""
    return all(
        type(each).least_parameters is Technique.least_parameters and not each.makes & SMALLER
        for each in recipe.techniques
    )


def promising(trials: Sequence[SearchTrial], limits: Limits) -> list[SearchTrial]:
    """Return the better half of screened trials, of those that training could bring within limits.

    Where there are none of these: of all, to find the nearest.
    """
    able = [
        each for each in trials if each.screened and not cannot_hold(each.screened, limits)
    ] or list(trials)
    return ranked(able, limits)[: math.ceil(len(able) * PROMOTED)]


def ranked(trials: Sequence[SearchTrial], limits: Limits) -> list[SearchTrial]:
    """Return screened trials, the most promising first.

    By whether their bytes and their time hold, by limits on quality, by how many beat them.
    """

    def rank(trial: SearchTrial) -> tuple[bool, float, int, int]:
        own = trial.screened
        assert own is not None
        beaten = sum(
            all(a <= b for a, b in zip(other.screened.objectives, own.objectives, strict=True))
            for other in trials
            if other is not trial and other.screened
        )
        return _is_beyond(own, limits, 1, SLOWER), exceeded(own, limits), beaten, trial.number

    return sorted(trials, key=rank)
