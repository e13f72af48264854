"""Checks of a comparison against all given limits: passed, failed or inconclusive."""

from collections.abc import Sequence
from dataclasses import replace

from edgecv.core.comparison import Comparison
from edgecv.core.report import Gate
from edgecv.evaluation.limit import Judged
from edgecv.evaluation.limits import Limits, evidence_of


def judge_limits(
    comparison: Comparison, limits: Limits, *, classes: Sequence[str], machine: str
) -> list[Gate]:
    """Return the gates of one candidate, one for each limit.

    ``classes``: the names of the classes of the data; ``machine``: this one, as
    ``environment.machine`` calls it, which a device was measured instead of. A limit on answers is
    of the head that was compared.
    """
    gates = limits.judge(Judged(comparison, limits, classes, comparison.machine or machine))
    return [
        replace(gate, head=comparison.head) if evidence_of(gate.name) == "answers" else gate
        for gate in gates
    ]
