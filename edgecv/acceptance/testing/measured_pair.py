"""One artifact and its baseline, as measured for a test."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from edgecv.acceptance.testing.session import CompareSession
from edgecv.analysis.validation_arrays import ValidationArrays
from edgecv.core.comparison import Comparison
from edgecv.core.report import Report
from edgecv.evaluation.task_of import per_head


@dataclass(frozen=True, repr=False, eq=False)
class MeasuredPair:
    """The measurements that an assertion and its message use.

    ``report`` and ``measured`` name the artifact as ``CompareSession.shown`` does.
    """

    setting: CompareSession
    artifact: Path
    baseline: Path
    data: str
    """A data set, or a path relative to the root."""
    report: Report
    measured: ValidationArrays

    @property
    def comparison(self) -> Comparison:
        """All figures, as in a report; of the first head where the model has several."""
        return self.report.comparisons[0]

    def of_head(self, name: str) -> Self:
        """Return the pair of one head; of the first where none is named."""
        heads = {head.name: head for head in self.measured.task.heads()}
        head = heads.get(name) or next(iter(heads.values()))
        report, measured = per_head(self.report)[head.name], self.measured.of_head(head)
        return replace(self, report=report, measured=measured)

    @property
    def names(self) -> tuple[str, str, str]:
        """Artifact, baseline and data, with paths relative to the root."""
        shown = self.setting.shown
        return shown(self.artifact), shown(self.baseline), self.data
