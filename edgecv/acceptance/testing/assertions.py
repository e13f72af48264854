"""Assertions on one artifact that was compared with its baseline."""

from dataclasses import replace
from typing import Any

from edgecv.acceptance.testing.accepted import judge_accepted
from edgecv.acceptance.testing.measured_pair import MeasuredPair
from edgecv.acceptance.testing.short_traceback import in_one_line
from edgecv.acceptance.testing.text import limit_text
from edgecv.core.command_options import with_parameters
from edgecv.core.errors import InputError
from edgecv.core.options import parse_options
from edgecv.evaluation.limit_options import LimitOptions
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.output_differences import OUTPUTS
from edgecv.pipeline.recipe.checks import check_limits
from edgecv.pipeline.run_gates import limit_gates
from edgecv.system.environment import machine


class ComparedPair(MeasuredPair):
    """One artifact, compared with its baseline image by image.

    An assertion that fails, or that too few images cannot decide, raises AssertionError with the
    observed value, the images and the next step.
    """

    def __repr__(self) -> str:
        artifact, baseline, data = self.names
        return f"<{artifact} beside {baseline} on {data}>"

    @in_one_line
    def assert_no_worse_than(self, points: float) -> None:
        """Accuracy fell by at most so many percentage points, over the whole 95% interval."""
        self._hold("assert_no_worse_than", max_drop_points=points, drop_on="bound")

    @in_one_line
    def assert_worst_class(self, points: float) -> None:
        """No class lost more percentage points; a loss that may be chance does not pass either."""
        self._hold("assert_worst_class", max_class_drop_points=points)

    @in_one_line
    def assert_agreement(self, at_least: float) -> None:
        """At least this fraction of the images get the baseline's answer."""
        self._hold("assert_agreement", min_agreement=at_least)

    @in_one_line
    def assert_max_flips(self, at_most: int | float) -> None:
        """At most so many images, or a fraction below 1 of them, get another answer."""
        self._hold("assert_max_flips", max_flips=at_most)

    @in_one_line
    def assert_size(self, at_most_bytes: int) -> None:
        """The file has at most so many bytes."""
        self._hold("assert_size", max_bytes=at_most_bytes)

    @in_one_line
    def assert_gzip_size(self, at_most_bytes: int) -> None:
        """The file has at most so many bytes after gzip -9."""
        self._hold("assert_gzip_size", max_gzip_bytes=at_most_bytes)

    @in_one_line
    def assert_latency(self, at_most_us: float) -> None:
        """One image takes at most so many microseconds here, in the median: needs timed=True."""
        self._hold("assert_latency", max_latency_us=at_most_us)

    @in_one_line
    def assert_as_accepted(self, name: str | None = None) -> None:
        """Nothing is worse than the accepted comparison in TEST.edgecv.lock, beside the test.

        ``pytest --edgecv-update`` accepts the current one. ``name`` is the entry in the file, by
        default the paths of artifact, baseline and data; give it if these paths vary.
        """
        judge_accepted(self, name)

    @in_one_line
    @with_parameters(LimitOptions)
    def assert_limits(self, **limits: Any) -> None:
        """Every given limit holds, as of ``edgecv.validate``: ``max_size="35KB"``."""
        options = parse_options(LimitOptions, limits, "assert_limits")
        on_device = bool(self.report.devices)
        gates = options.changed(Limits(), in_python=True, on_device=on_device)
        self._hold_all("assert_limits", gates)

    def _hold(self, assertion: str, **limits: Any) -> None:
        self._hold_all(assertion, parse_options(Limits, limits, assertion))

    def _hold_all(self, assertion: str, gates: Limits) -> None:
        is_timed = self.comparison.latency is not None
        if not is_timed and any(limit.evidence == "time" for _, limit, _ in gates.given()):
            raise InputError(
                assertion, "nothing was timed", remedy="edgecv_compare(..., timed=True)"
            )
        check_limits(self.measured.data, gates, self.data)
        task, facts = self.measured.task, self.report.data
        for gate in limit_gates(self.report.comparisons, gates, task, facts, machine()):
            if gate.outcome != "passed" and gate.name != OUTPUTS:
                shown = replace(gate, artifact=gate.label, head="")
                raise AssertionError(limit_text(self.of_head(gate.head), shown))
