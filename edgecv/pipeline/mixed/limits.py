"""The limits that a choice of precisions is made under: those of the run, on validation images."""

from edgecv.evaluation.limit import Evidence
from edgecv.evaluation.limits import DEFAULT, NONE, Limits, all_limits


def limits_of_choice(gates: Limits, has_labels: bool) -> Limits:
    """Return the limits of a run with the drop held at the worse end of its interval.

    >>> limits_of_choice(Limits(), has_labels=True).max_drop_points
    2.0
    """
    limits = gates.with_defaults()
    default = all_limits()["max_drop_points"].default
    if limits.max_drop_points == DEFAULT and default is not None:
        limits = limits.model_copy(update={"max_drop_points": default.value})
    if limits.max_drop_points == NONE or not has_labels:
        return limits.without(["max_drop_points"])
    return limits.model_copy(update={"drop_on": "bound"})


def has_limit(limits: Limits, *kinds: Evidence) -> bool:
    """Return True if there is a limit, by a number or by default, on one of these."""
    return any(
        getattr(limits, key) not in (None, NONE)
        for key, limit in all_limits().items()
        if limit.evidence in kinds
    )
