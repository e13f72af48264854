"""Candidates beside the control: the baseline, trained on as the techniques train."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from edgecv.core.comparison import Comparison, ControlComparison, Measurement
from edgecv.core.data import Outputs, Targets
from edgecv.core.plugins import Task, TaskHead
from edgecv.core.report import Control
from edgecv.evaluation.comparison import compare
from edgecv.evaluation.paired_statistics import DEFAULT_MARGIN_POINTS


@dataclass(frozen=True)
class ControlOutputs:
    """The control's outputs for the test images."""

    outputs: Outputs
    decides: Mapping[str, bool]
    """By head: True where limits on quality are held against the control."""

    @classmethod
    def of_report(cls, control: Control, outputs: Outputs) -> "ControlOutputs":
        """Return outputs with the decisions in a report."""
        return cls(outputs, {each.head: each.decides for each in control.scores})

    def of_head(self, head: TaskHead) -> "ControlOutputs":
        """Return the outputs of one head of the model."""
        return replace(self, outputs=head.of(self.outputs))


def with_control(
    comparisons: Sequence[Comparison],
    measurements: Sequence[Measurement],
    control: ControlOutputs | None,
    targets: Targets | None,
    task: Task,
    margin_points: float = DEFAULT_MARGIN_POINTS,
) -> list[Comparison]:
    """Return comparisons with the control beside each candidate; as they are without a control."""
    if control is None or targets is None:
        return list(comparisons)
    measured = {each.artifact.path: each for each in measurements}
    found = []
    for each in comparisons:
        if each.is_twin or each.head not in control.decides:
            found.append(each)
            continue
        head, own = task.head_called(each.head), measured[each.artifact.path]
        beside = compare(
            replace(own, outputs=head.of(own.outputs)),
            None,
            control.of_head(head).outputs,
            head.targets(targets),
            head.task,
            threads=1,
            margin_points=margin_points,
        )
        value, points = beside.baseline_value, beside.difference_points
        added = None
        if value is not None and points is not None and beside.statistics is not None:
            decides = control.decides[each.head]
            added = ControlComparison(value, points, beside.statistics, decides)
        found.append(replace(each, control=added))
    return found
