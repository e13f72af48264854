"""The numbers of channels that each width of a model can have, by the options of shrink."""

import math
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import numpy as np

from edgecv.core.errors import InputError
from edgecv.models.channels.graph import ChannelGraph, Width

MOST_CUTS = 8
"""Numbers of channels that are tried of each width, besides all of them."""

WidthSteps = Mapping[str, tuple[int, ...]]
"""By the name of a width: the numbers of channels that it can have, largest first."""


def width_steps_of(
    widths: Sequence[Width],
    before: Mapping[str, int],
    *,
    kept: Mapping[str, int],
    exclude: Sequence[str],
    floor: float,
    multiple: int,
) -> WidthSteps:
    """Return the sizes that each width may have. Raises InputError if a pattern fits none.

    ``before``: the widths before the first round, which ``floor`` is a fraction of; ``kept``: the
    channels to keep, by name pattern. The others are named as the options of shrink.
    """
    if not widths:
        raise InputError("shrink", "no channels of this model can be removed")
    for pattern in (*exclude, *kept):
        if not any(_matches(width, pattern) for width in widths):
            raise InputError(
                "shrink",
                f'"{pattern}" matches no layer whose channels can be removed',
                accepted=", ".join(maker for width in widths for maker in width.makers),
            )
    width_steps: dict[str, tuple[int, ...]] = {}
    for width in widths:
        given = [count for pattern, count in kept.items() if _matches(width, pattern)]
        is_excluded = any(_matches(width, pattern) for pattern in exclude)
        each = width.channels_each
        if given and is_excluded:
            raise InputError("shrink", f"{width.name} is in widths and in exclude")
        if given and (given[0] > width.channels or given[0] % each):
            raise InputError(
                "shrink",
                f"{width.name} has {width.channels} channels, {given[0]} are to be kept",
                accepted=f"{each} to {width.channels}" + f", by {each}" * (each > 1),
            )
        if given:
            width_steps[width.name] = (given[0] // each,)
        elif not is_excluded:
            # A width that is new in a later round is what a cut has left of others.
            least = math.ceil(before.get(width.name, len(width)) * floor)
            width_steps[width.name] = steps_of(len(width), least, math.lcm(multiple, each) // each)
    if not width_steps:
        raise InputError("shrink", "every layer is excluded", accepted="a pattern for some")
    return width_steps


def steps_of(channels: int, least: int, multiple: int) -> tuple[int, ...]:
    """Return the numbers of channels that a width can have: all, then multiples, falling.

    None is below ``least``, and there are at most ``MOST_CUTS`` of them, evenly spread.

    >>> steps_of(32, 4, 8)
    (32, 24, 16, 8)
    >>> steps_of(24, 20, 8)
    (24,)
    """
    lowest = multiple * max(1, -(-least // multiple))
    below = list(range(lowest, channels, multiple))
    if len(below) > MOST_CUTS:
        places = np.unique(np.linspace(0, len(below) - 1, MOST_CUTS).round().astype(int))
        below = [below[place] for place in places]
    return (channels, *reversed(below))


def channels_by_layer(graph: ChannelGraph) -> dict[str, int]:
    """Return the number of channels that each layer makes."""
    return {path: len(each.made) for path, each in graph.layers.items() if each.made is not None}


def sizes_of(graph: ChannelGraph) -> dict[str, int]:
    """Return the size of each width."""
    return {width.name: len(width) for width in graph.widths}


def _matches(width: Width, pattern: str) -> bool:
    return any(fnmatchcase(name, pattern) for name in (width.name, *width.makers))
