"""One artifact and its baseline, as measured for a test."""

from dataclasses import dataclass
from pathlib import Path

from edgecv.acceptance.testing.session import CompareSession
from edgecv.analysis.validate import ValidationArrays
from edgecv.core.report import Comparison, Report


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
        """All figures, as in a report."""
        return self.report.comparisons[0]

    @property
    def names(self) -> tuple[str, str, str]:
        """Artifact, baseline and data, with paths relative to the root."""
        shown = self.setting.shown
        return shown(self.artifact), shown(self.baseline), self.data
