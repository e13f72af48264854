"""Images whose answer differs from the baseline's."""

import numpy as np

from edgecv.core.data import Outputs, Targets
from edgecv.core.paired_results import Flips
from edgecv.core.plugins import Task


def changed_answers(
    outputs: Outputs, baseline: Outputs, targets: Targets | None, task: Task
) -> Flips:
    """Return the images whose answer changed, as wins, losses and others.

    ``targets`` are None where they are not known.
    """
    changed = np.flatnonzero(~task.same_answer(outputs, baseline))
    count, fraction = len(changed), len(changed) / len(outputs)
    if targets is None:
        return Flips(count, fraction, unjudged=tuple(changed.tolist()))
    after, before = (task.score_per_image(each, targets)[changed] for each in (outputs, baseline))
    return Flips(
        count,
        fraction,
        wins=tuple(changed[after > before].tolist()),
        losses=tuple(changed[after < before].tolist()),
        both_wrong=tuple(changed[after == before].tolist()),
    )


def most_confident(changed: Flips, outputs: Outputs, task: Task, most: int) -> list[int]:
    """Return indices of changed images, the most confident new answers first."""
    images = np.array(
        sorted((*changed.wins, *changed.losses, *changed.both_wrong, *changed.unjudged)), np.int64
    )
    order = np.argsort(-task.confidence(outputs, images), kind="stable")
    chosen: list[int] = images[order][:most].tolist()
    return chosen
