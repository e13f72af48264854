"""The contract of a limit: how it is written, what it needs, and how it judges a comparison."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
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

    def at_most(self, name: str, limit: float, observed: float | None) -> Gate:
        """Fail if ``observed`` exceeds ``limit``; inconclusive where it is not known."""
        if observed is None:
            return self.not_known(name, limit)
        return self.gate(name, limit, observed, observed <= limit + ROUNDING)

    def at_least(self, name: str, limit: float, observed: float | None) -> Gate:
        """Fail if ``observed`` is less than ``limit``; inconclusive where it is not known."""
        if observed is None:
            return self.not_known(name, limit)
        return self.gate(name, limit, observed, observed >= limit - ROUNDING)

    def gate(
        self, name: str, limit: float, observed: float, passed: bool | Outcome, reason: str = ""
    ) -> Gate:
        """Return the gate of something that was observed."""
        outcome: Outcome = passed if isinstance(passed, str) else "passed" if passed else "failed"
        return Gate(name, self.comparison.artifact.path, limit, observed, outcome, reason)

    def not_known(self, name: str, limit: float, reason: str = "") -> Gate:
        """Return the inconclusive gate of something that was not observed, and say why."""
        reason = reason or (NO_BASELINE if self.comparison.agreement is None else NO_LABELS)
        path = self.comparison.artifact.path
        return Gate(name, path, limit, None, "inconclusive", reason)


def compared(name: str, attribute: str) -> Callable[[Judged, float], Gate]:
    """Return the judge of something that a comparison holds as it is."""
    observed = attrgetter(attribute)
    return lambda judged, limit: judged.at_most(name, limit, observed(judged.comparison))


@dataclass(frozen=True)
class Limit:
    """One limit, as the metadata of its field in ``Limits``.

    The field's name is the key in recipes, its docstring the help, its constraints what is
    accepted.
    """

    judge: Callable[[Judged, Any], Gate]
    quantity: Quantity
    """How the value is written on a command line, and what is said of a wrong one."""
    says: Mapping[str, str]
    """The names of its gates, and what each of them says was observed."""
    option: str = ""
    """Its name as an option, where that is not the key's: ``max_size`` for ``max_bytes``."""
    needs_labels: bool = False
    evidence: Evidence = "answers"
    """What a test that fails shows: images and answers, the file, or its latency."""
    also: Callable[[], dict[str, Any]] = field(default=dict)
    """Other keys that the option sets with it."""


@dataclass(frozen=True)
class LimitDetail:
    """A key of ``Limits`` that is no limit of its own, and says more about one."""

    limit: str
    """The key of the limit that it belongs to."""
    accepted: str = ""
    """What an option of the same name accepts; there is none where this is empty."""
