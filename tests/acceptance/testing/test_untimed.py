"""What was not timed says so, and is held against what was, or the other way round."""

from collections.abc import Callable
from pathlib import Path

import pytest

from edgecv.acceptance.gate import MeasuredRun, judgement_of
from edgecv.acceptance.testing.accepted_file import read_accepted
from edgecv.acceptance.testing.assertions import ComparedPair
from edgecv.acceptance.testing.fixture import EdgecvCompare
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.reports.json_file import read_report, write_report
from edgecv.reports.markdown import to_markdown

Comparing = Callable[..., EdgecvCompare]


def compared(comparing: Comparing, *, update: bool = False, timed: bool = False) -> ComparedPair:
    compare = comparing(update=update)
    return compare("models/good.onnx", baseline="models/baseline.onnx", data="digits", timed=timed)


def test_a_report_says_that_nothing_was_timed_and_is_read_again(
    comparing: Comparing, tmp_path: Path
) -> None:
    report = compared(comparing).report
    assert "\nNothing was timed.\n" in to_markdown(report)
    write_report(report, tmp_path / "report.json")
    assert read_report(tmp_path / "report.json").comparisons == report.comparisons


def test_a_limit_on_what_was_not_timed_is_inconclusive(comparing: Comparing) -> None:
    comparison = compared(comparing).comparison
    (gate,) = judge_limits(comparison, Limits(max_latency_us=1.0), classes=(), machine="here")
    assert (gate.outcome, gate.reason) == ("inconclusive", "it was not timed")


@pytest.mark.parametrize(("then", "now"), [(True, False), (False, True)])
def test_times_are_no_part_of_what_was_accepted_without_them(
    comparing: Comparing, tmp_path: Path, then: bool, now: bool
) -> None:
    compared(comparing, update=True, timed=then).assert_as_accepted()
    (lock,) = read_accepted(tmp_path / "tests" / "test_model.edgecv.lock").values()
    assert (lock.speed is not None) == then
    assert lock.limits.max_slowdown_percent is None, "there is no twin to be faster than"
    found = compared(comparing, timed=now)
    found.assert_as_accepted()
    judgement = judgement_of(MeasuredRun("x", found.report, found.measured), lock, Path("l"))
    assert judgement.not_compared == (("speed-ups, as nothing was timed",) if then else ())
