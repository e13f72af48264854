"""The definition of a limit: its notation, its texts, and its check of a comparison."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

from edgecv.core.comparison import Comparison
from edgecv.core.quantity import Quantity
from edgecv.core.report import Gate, Outcome
from edgecv.evaluation.gates import NO_BASELINE, NO_LABELS, NOT_OF_TASK, ROUNDING

if TYPE_CHECKING:
    from edgecv.evaluation.limits import Limits

Evidence = Literal["answers", "size", "time"]


@dataclass(frozen=True)
class Judged:
    """A comparison to be checked, and the context that limits need."""

    comparison: Comparison
    limits: "Limits"
    classes: Sequence[str]
    """Names of the classes of the data."""
    machine: str
    """This machine, as ``environment.machine`` calls it."""

    def seen_by(self, limit: "Limit") -> "Judged":
        """Return what a limit judges: the better of baseline and control where it is on quality."""
        if not limit.needs_labels:
            return self
        return replace(self, comparison=self.comparison.against_better)

    def gate(
        self, name: str, limit: float, observed: float, outcome: Outcome, reason: str = ""
    ) -> Gate:
        """Return the gate of an observed value."""
        return Gate(name, self.comparison.artifact.path, limit, observed, outcome, reason)

    def not_known(self, name: str, limit: float, reason: str = "") -> Gate:
        """Return the inconclusive gate of a value that is not known, with the reason."""
        if self.comparison.agreement is None:
            reason = reason or NO_BASELINE
        elif self.comparison.value is None:
            reason = reason or NO_LABELS
        path = self.comparison.artifact.path
        return Gate(name, path, limit, None, "inconclusive", reason or NOT_OF_TASK)


@dataclass(frozen=True)
class Default:
    """The value of a limit where none is given, and how it is judged then."""

    value: float
    judge: Callable[[Judged, Any], Gate | None]
    """Returns None where the limit is not meant for such a comparison."""


@dataclass(frozen=True)
class Limit:
    """One limit, as the metadata of its field in ``Limits``.

    The field's name is the key in recipes and the name of its gate, its docstring the help, its
    constraints the accepted values. A limit named ``min_...`` is a minimum, others are a maximum.
    """

    observed: str | Callable[[Judged, Any], Gate]
    """Attribute of a comparison that is compared with the limit, or a function that does so."""
    quantity: Quantity
    """Notation of the value on a command line, also shown in errors."""
    says: str
    """Description of the observed value in the text of its gate."""
    option: str = ""
    """Its name as an option, where it differs from the key: ``max_size`` for ``max_bytes``."""
    other_gates: Mapping[str, str] = field(default_factory=dict)
    """Gates under other names that ``observed`` may return, with their descriptions."""
    needs_labels: bool = False
    default: Default | None = None
    allowed: str = ""
    """The text of a verdict for what is allowed, with a place for the number."""
    evidence: Evidence = "answers"
    """Evidence shown by a failing test: images and answers, the file, or its latency."""
    also: Callable[[], dict[str, Any]] = dict
    """Other keys that the option also sets."""

    def judge(self, key: str, judged: Judged, limit: Any) -> Gate:
        """Return the gate of a comparison for a value of this limit."""
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
    """A key of ``Limits`` that is no limit itself but a detail of one."""

    limit: str
    """The key of the limit that it belongs to."""
    accepted: str = ""
    """Accepted values of the option with the same name; empty if there is no such option."""
