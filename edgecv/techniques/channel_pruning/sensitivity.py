"""Sensitivity of a model to cuts of one width, measured on real images, one cut at a time."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasModel
from edgecv.core.plugins import TechniqueContext
from edgecv.models.channels.costs import totals
from edgecv.models.channels.graph import ChannelGraph
from edgecv.models.channels.rebuild import zeroed
from edgecv.models.outputs import named_outputs
from edgecv.models.tf import Inference
from edgecv.techniques.channel_pruning.width_steps import WidthSteps
from edgecv.techniques.layer_selection import clone

FEWEST_IMAGES, MOST_IMAGES = 32, 256
MACS_TO_SPEND = 3e11
"""About fifteen seconds on two cores. Counted, not timed: the same run gives the same cuts."""
Damage = Mapping[str, tuple[float, ...]]
"""By the name of a width: the damage at each step of its width_steps; 0 for the first."""


def damages(
    model: KerasModel,
    graph: ChannelGraph,
    orders: Mapping[str, NDArray[np.int64]],
    width_steps: WidthSteps,
    context: TechniqueContext,
) -> Damage:
    """Return the divergence of the outputs from the whole model's when a single width is cut.

    ``orders``: the units of each width, the least important first. The measured mean
    divergences are smoothed: see ``smooth``.
    """
    cuts = sum(len(steps) - 1 for steps in width_steps.values())
    macs, _ = totals(graph, graph.everything())
    wanted = int(MACS_TO_SPEND / max(1, macs * cuts))
    images = context.calibration_images(max(FEWEST_IMAGES, min(MOST_IMAGES, wanted)))
    pixels = images.astype(np.float32)
    trial = clone(model)
    predict = Inference(trial, pixels.shape[1:])
    whole = named_outputs(model, predict(pixels))
    found: dict[str, tuple[float, ...]] = {}
    done = 0
    for width in (each for each in graph.widths if each.name in width_steps):
        losses = [0.0]
        for kept in width_steps[width.name][1:]:
            gone = orders[width.name][: len(width) - kept]
            trial.set_weights(zeroed(model, graph, graph.without(gone)))
            losses.append(context.task.divergence(whole, named_outputs(model, predict(pixels))))
            done += 1
            context.progress("measuring what each cut costs", done, cuts)
        found[width.name] = smooth(width_steps[width.name], losses)
    return found


def smooth(steps: Sequence[int], losses: Sequence[float]) -> tuple[float, ...]:
    """Return losses on one curve, slope x (channels before / channels left - 1).

    Single cuts are noisy, and the divergence of a ruined model hardly grows any more: taken as they
    are, a width that is cut deep looks cheap to cut deeper. On the CIFAR CNN the measured slope of
    a width is the same within a factor of two from its first cut to an eighth of its channels.

    >>> smooth([64, 32, 16], [0.0, 0.25, 0.75])
    (0.0, 0.25, 0.75)
    >>> smooth([64, 32, 16], [0.0, 0.5, 0.5])[2] > 0.5
    True
    """
    ratios = np.array([steps[0] / kept - 1 for kept in steps])
    slope = float(np.median(np.array(losses[1:]) / ratios[1:])) if len(steps) > 1 else 0.0
    return tuple(float(slope * ratio) for ratio in ratios)
