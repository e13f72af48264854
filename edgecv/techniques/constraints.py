"""Several constraints of one training."""

from collections.abc import Sequence

from edgecv.core.plugins import Constraint


class AllOf(Constraint):
    """Applies constraints, one after the other."""

    def __init__(self, constraints: Sequence[Constraint]) -> None:
        self._constraints = constraints

    def before_step(self, step: int, steps: int) -> None:
        """Prepare each for a training step."""
        for each in self._constraints:
            each.before_step(step, steps)

    def project(self) -> None:
        """Project the weights onto each."""
        for each in self._constraints:
            each.project()

    def restore(self) -> None:
        """Continue each from the model's weights."""
        for each in self._constraints:
            each.restore()

    def settled(self, steps: int) -> int:
        """Return the step from which on all hold in full."""
        return max(each.settled(steps) for each in self._constraints)
