"""The limits that a choice of precisions is made under: those of the run, on validation images."""

from edgecv.evaluation.limit import Evidence
from edgecv.evaluation.limits import DEFAULT, NONE, Limits, all_limits


def limits_of_choice(gates: Limits, *, has_labels: bool) -> Limits:
    """Return the limits of a run with the drop, if it has one, at the worse end of its interval.

    >>> limits_of_choice(Limits(), has_labels=True).max_drop_points
    2.0
    """
    limits, default = gates.with_defaults(), all_limits()["max_drop_points"].default
    drop = limits.max_drop_points
    if drop == DEFAULT and default is not None:
        drop = default.value
    if drop == NONE or not has_labels:
        return limits.without(["max_drop_points"])
    return limits.model_copy(update={"max_drop_points": drop, "drop_on": "bound"})


def has_limit(limits: Limits, *kinds: Evidence) -> bool:
    """Return True if a number limits one of these."""
    return any(limit.evidence in kinds for _, limit, _ in limits.given())


def limits_answers(limits: Limits, *, has_labels: bool) -> bool:
    """Return True if limits say how much answers may lose.

    Without labels the default ones do; with labels the default on classes alone does not.
    """
    return has_limit(limits, "answers") or not has_labels
