"""The recipes that ``compress --auto`` tries: the cheapest first, and none that could not help."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.report import Report
from edgecv.formats.lookup import runtime_of_format
from edgecv.pipeline.recipe.flag_values import with_precision
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.front import INDISTINCT
from edgecv.pipeline.search.space import FIRST_TRAINED, LADDER, Steps, techniques_of
from edgecv.pipeline.search.trial import candidate, figures_of, missed_limits, steps_of
from edgecv.reports.ratio_text import measured_speed_text

WORTH = 1.05
"""Least gain of a file that is worth it: how many times smaller it is than the float file, less
what it is slower."""


@dataclass(frozen=True)
class Attempt:
    """One recipe that was tried, and its run on validation images."""

    recipe: Recipe
    report: Report

    @property
    def holds(self) -> bool:
        """True if it holds the limits."""
        return self.report.outcome == "passed"

    @property
    def is_worth_it(self) -> bool:
        """True if it holds the limits, and gains more in bytes than it loses in time."""
        file = candidate(self.report, self.recipe)
        gain = (file.size_ratio or 1) * min(1.0, file.speedup or 1)
        return self.holds and gain >= WORTH


def ladder(
    base: Recipe,
    training: Mapping[str, Any],
    attempts: Sequence[Attempt] = (),
    say: Callable[[str], None] = lambda message: None,
) -> Iterator[Recipe]:
    """Yield the recipes to try, the cheapest first: before a training some layers in float32, and
    float16 where integers fail.

    ``attempts``: those that were made until then. Where the plain file is too large or too slow,
    only narrower networks follow. ``training``: options of each training.
    """

    def of_precision(name: str) -> Iterator[Recipe]:
        io = base.exports[0].model_dump().get("io")
        if io is not None:  # What reads the file gives that type.
            say(f"{name} is left out: its files take no --io {io}")
            return
        with suppress(InputError):  # The format has none.
            yield base.replace(exports=(with_precision(base.exports[0], name),))

    def of_steps(steps: Steps) -> Recipe:
        return base.replace(techniques=techniques_of(steps, training))

    yield of_steps(LADDER[0])
    targets = narrower_targets(attempts[0], base) if attempts else {}
    if targets:
        name, is_gain = steps_of(attempts[0].recipe), "a gain" in targets
        say(
            f"{name} holds the limits, and is no gain: float16 and narrower networks follow"
            if is_gain
            else f"{name} exceeds the limit on {' and '.join(targets)}: only narrower networks are"
            " tried, as the others are as large and as slow"
        )
        if is_gain:
            yield from of_precision("float16")
        options = {key: each for target in targets.values() for key, each in target.items()}
        yield of_steps({"shrink": options, "distil": {}, "qat": {}})
        yield from (of_steps(each) for each in LADDER if "student" in each)
        return
    for steps in LADDER[1:]:
        if steps == FIRST_TRAINED:
            yield from of_precision("mixed")
        made = len(attempts)
        yield of_steps(steps)
        if len(attempts) == made and "bias_correction" in steps:  # The other one did not fit.
            yield of_steps({"bias_correction": {}})
    yield from of_precision("float16")


def narrower_targets(plain: Attempt, base: Recipe) -> dict[str, dict[str, Any]]:
    """Return targets of ``shrink`` by what the plain file exceeds, by more than the noise of times.

    Times of a device are not what ``shrink`` measures: it is then told to keep a part.
    """
    figures, limits = figures_of(plain.report, plain.recipe), base.gates
    found = dict[str, dict[str, Any]]()
    for most, own in (
        (limits.max_bytes, figures.bytes),
        (limits.max_gzip_bytes, figures.gzip_bytes),
    ):
        if most is not None and own > most:
            least = min(most, found.get("bytes", {}).get("int8_bytes", most))
            found["bytes"] = {"int8_bytes": least}
    slowest, least_speedup = limits.max_latency_us, limits.min_speedup
    times = dict[str, Any]()
    if slowest and figures.median_us and figures.median_us > slowest * INDISTINCT:
        times["latency_us"] = slowest / INDISTINCT
    if least_speedup and figures.speedup and figures.speedup * INDISTINCT < least_speedup:
        times["speedup"] = least_speedup * INDISTINCT
    if plain.holds:
        return {} if plain.is_worth_it else {"a gain": {"keep": 0.5}}
    if times:
        found["time"] = times if base.settings.device is None else {"keep": 0.5}
    if any(set(each) - {"keep"} for each in found.values()):
        runtime = runtime_of_format(base.exports[0].name).name
        found[next(iter(found))] |= {"runtime": runtime, "precision": "int8"}
    return found


def line_of_attempt(attempt: Attempt) -> str:
    """Return a line on what was tried: its figures, and which limits do not hold."""
    figures, report = figures_of(attempt.report, attempt.recipe), attempt.report
    speed = f", {measured_speed_text(figures.speedup)}" if figures.speedup else ""
    left = missed_limits(report, attempt.recipe)
    if report.outcome != "passed":
        kind = "does not hold" if report.outcome == "failed" else "is not certain to hold"
        found = f"{kind}: {'; '.join(left)}"
    elif not attempt.is_worth_it:
        found = "holds, and is not worth it: it gains no more in bytes than it loses in time"
    elif figures.lost_points > attempt.recipe.gates.margin_points:
        found = "holds as measured, these images cannot show more"
    else:
        found = "holds"
    return (
        f"{steps_of(attempt.recipe)}: {figures.points:+.2f} points on {figures.images:,} validation"
        f" images, {figures.lost_text}; {figures.bytes:,} bytes{speed}: {found}"
    )
