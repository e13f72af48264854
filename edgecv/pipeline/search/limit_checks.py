"""Limits that nothing could be shown to hold: refused before the first trial."""

from collections.abc import Mapping, Sequence

from edgecv.core.errors import InputError
from edgecv.evaluation.limits import NONE
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.recipe.shown_drop import check_drop_is_shown
from edgecv.pipeline.search.engines.contract import ModelAndData
from edgecv.pipeline.search.front import held_limits
from edgecv.pipeline.search.space import OptionValue
from edgecv.system.environment import machine

LEAST_BYTES_OF_A_WEIGHT = {"none": 4.0, "float16": 2.0, "int8": 1.0, "dynamic": 1.0}
"""By precision; half a byte where some weights have 4 bits."""


def check_limits_can_hold(recipe: Recipe) -> None:
    """Raise InputError for limits that no trial could hold, as nothing would measure them."""
    gates, device = recipe.gates, recipe.settings.device
    times = {"--min-speedup": gates.min_speedup, "--max-latency": gates.max_latency_us}
    given = [f"{flag} {value:g}" for flag, value in times.items() if value is not None]
    if given and device is not None and not device.has_times:
        raise InputError(
            given[0],
            f"is a limit on time, and --on {device.place} gives no times: no trial could hold it",
            accepted="limits on quality and bytes there",
            remedy="leave it out, or leave --on out: times are then those of this machine",
        )
    meant = gates.latency_machine
    if gates.max_latency_us is not None and device is None and meant not in (None, machine()):
        raise InputError(
            f"--max-latency {gates.max_latency_us:g}",
            f"is meant for the machine {meant}, and this is {machine()}: no trial could hold it",
            remedy="search there, or leave latency_machine out",
        )


def check_has_limits(recipe: Recipe) -> None:
    """Raise InputError where no limit is left for a recipe to hold."""
    if not held_limits(recipe) and not [*recipe.gates.given()]:
        raise InputError(
            f"--max-drop {NONE}",
            "leaves no limit: any file would hold them, and --auto would stop at the first",
            accepted="a limit on quality, bytes or time",
            remedy="give --max-drop or --max-size, or choose a technique without --auto",
        )


def check_reachable(recipe: Recipe, images: Mapping[str, int], *, has_labels: bool) -> None:
    """Raise InputError for data that trials cannot be judged on, or a drop that none can hold.

    ``images``: those of each split.
    """
    if not has_labels:
        raise InputError(
            recipe.data.name,
            "has no labels, and trials are compared by their answers to labelled images",
            remedy="use edgecv compress, or put class folders under train/ and test/",
        )
    if not images["validation"]:
        raise InputError(
            recipe.data.name,
            "has no validation images, which trials are judged on",
            remedy="put images under train/: some of them are taken",
        )
    check_drop_is_shown(recipe, images)


def check_size_is_reachable(
    recipe: Recipe,
    space: SearchSpace,
    facts: ModelAndData,
    candidates: Sequence[OptionValue],
) -> None:
    """Raise InputError for a limit on bytes that the weights of all recipes exceed.

    ``candidates``: what the model was tried with, in the order of ``facts``.
    """
    limit = recipe.gates.max_bytes
    fits = zip(candidates, facts.unfit, facts.least_parameters, strict=True)
    counts = {
        f"{each.name} {each.key} {each.value}".rstrip(): count
        for each, reason, count in fits
        if not reason and each.name in space.technique
    }
    counts["the model as it is"] = facts.parameters
    if limit is None or not all(counts.values()):
        return
    smallest = min(counts, key=lambda name: counts[name])
    a_weight = min(LEAST_BYTES_OF_A_WEIGHT.get(each, 0.5) for each in space.quantize)
    least = int(counts[smallest] * a_weight)
    if limit < least:
        raise InputError(
            f"--max-size {limit:,} bytes",
            f"is reached by no recipe of the space: {smallest} has {counts[smallest]:,} parameters"
            f" or more, which in {' or '.join(space.quantize)} take about {least:,} bytes",
            accepted=f"{least:,} bytes or more",
            remedy="or give another space under [search]",
        )
