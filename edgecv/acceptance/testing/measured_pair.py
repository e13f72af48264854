"""One artifact beside its baseline, as it was measured for a test."""

from dataclasses import dataclass
from pathlib import Path

from edgecv.acceptance.testing.session import CompareSession
from edgecv.analysis.validate import ValidationArrays
from edgecv.core.records import Comparison, Report


@dataclass(frozen=True, repr=False, eq=False)
class MeasuredPair:
    """Everything that an assertion, or its explanation, is made of.

    ``report`` and ``measured`` call the artifact as ``Setting.shown`` does.
    """

    setting: CompareSession
    artifact: Path
    baseline: Path
    data: str
    """As the team names it: a data set, or a path from the root on."""
    report: Report
    measured: ValidationArrays

    @property
    def comparison(self) -> Comparison:
        """All figures, as in a report."""
        return self.report.comparisons[0]

    @property
    def names(self) -> tuple[str, str, str]:
        """Return artifact, baseline and data as the team names them."""
        shown = self.setting.shown
        return shown(self.artifact), shown(self.baseline), self.data
