"""Comparisons against the limits that were asked for: passed, failed or inconclusive."""

from collections.abc import Sequence

from edgecv.core.records import Comparison, Gate
from edgecv.evaluation.limit import Judged
from edgecv.evaluation.limits import Limits


def judge_limits(
    comparison: Comparison, limits: Limits, *, classes: Sequence[str], machine: str
) -> list[Gate]:
    """Hold one candidate against every limit that is given.

    ``classes``: the names of the classes of the data; ``machine``: this one, as
    ``environment.machine`` calls it.
    """
    judged = Judged(comparison, limits, classes, machine)
    return [limit.judge(key, judged, value) for key, limit, value in limits.given()]
