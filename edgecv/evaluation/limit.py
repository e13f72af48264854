"""The contract of a limit: how it is written, what it needs, and how it judges a comparison."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from edgecv.core.quantity import Quantity
from edgecv.core.records import Comparison, Gate, Outcome
from edgecv.evaluation.gates import NO_BASELINE, NO_LABELS, ROUNDING

if TYPE_CHECKING:
    from edgecv.evaluation.limits import Limits

Evidence = Literal["answers", "size", "time"]


@dataclass(frozen=True)
class Judged:
    """A comparison to be judged, and what judging it depends on."""

    comparison: Comparison
    limits: "Limits"
    classes: Sequence[str]
    """Names of the classes of the data."""
    machine: str
    """This machine, as ``environment.machine`` calls it."""

    def gate(
        self, name: str, limit: float, observed: float, outcome: Outcome, reason: str = ""
    ) -> Gate:
        """Return the gate of something that was observed."""
        return Gate(name, self.comparison.artifact.path, limit, observed, outcome, reason)

    def not_known(self, name: str, limit: float, reason: str = "") -> Gate:
        """Return the inconclusive gate of something that was not observed, and say why."""
        reason = reason or (NO_BASELINE if self.comparison.agreement is None else NO_LABELS)
        path = self.comparison.artifact.path
        return Gate(name, path, limit, None, "inconclusive", reason)


@dataclass(frozen=True)
class Limit:
    """One limit, as the metadata of its field in ``Limits``.

    The field's name is the key in recipes and the name of its gate, its docstring the help, its
    constraints what is accepted. A limit called ``min_`` is a least value, others are a most.
    """

    observed: str | Callable[[Judged, Any], Gate]
    """The attribute of a comparison that is held against the limit, or what judges it."""
    quantity: Quantity
    """How the value is written on a command line, and what is said of a wrong one."""
    says: str
    """What its gate says was observed."""
    option: str = ""
    """Its name as an option, where that is not the key's: ``max_size`` for ``max_bytes``."""
    other_gates: Mapping[str, str] = field(default_factory=dict)
    """Gates under other names that its judge may return, and what they say."""
    needs_labels: bool = False
    evidence: Evidence = "answers"
    """What a test that fails shows: images and answers, the file, or its latency."""
    also: Callable[[], dict[str, Any]] = dict
    """Other keys that the option sets with it."""

    def judge(self, key: str, judged: Judged, limit: Any) -> Gate:
        """Hold a comparison against a value of this limit."""
        if not isinstance(self.observed, str):
            return self.observed(judged, limit)
        observed: Any = judged.comparison
        for name in self.observed.split("."):
            observed = None if observed is None else getattr(observed, name)
        if observed is None:
            return judged.not_known(key, limit)
        is_least = key.startswith("min_")
        passed = observed >= limit - ROUNDING if is_least else observed <= limit + ROUNDING
        return judged.gate(key, limit, observed, "passed" if passed else "failed")


@dataclass(frozen=True)
class LimitDetail:
    """A key of ``Limits`` that is no limit of its own, and says more about one."""

    limit: str
    """The key of the limit that it belongs to."""
    accepted: str = ""
    """What an option of the same name accepts; there is none where this is empty."""
