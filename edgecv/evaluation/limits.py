"""The limits of recipes, the command line, Python and tests: one field for each limit.

A new limit is a field here with a ``Limit``; its flag, its parameters in Python and in the pytest
fixture, its entry in the schema of recipes and in the docs are made from that.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecv.core.options import Options
from edgecv.core.quantity import (
    BYTES,
    FRACTION,
    IMAGES,
    MICROSECONDS,
    POINTS,
    RATIO,
    SMALL_FRACTION,
)
from edgecv.core.records import Gate, Outcome
from edgecv.evaluation.gates import (
    ROUNDING,
    cannot_tell,
    latency_gate,
    most_gate,
    without_interval,
)
from edgecv.evaluation.limit import Evidence, Judged, Limit, LimitDetail
from edgecv.evaluation.paired_statistics import DEFAULT_MARGIN_POINTS
from edgecv.evaluation.statistics.binary_scores import no_worse
from edgecv.system.environment import machine


def _drop(judged: Judged, limit: float) -> Gate:
    """Check the measured drop of the metric, or the worse end of its interval."""
    comparison = judged.comparison
    if judged.limits.drop_on != "bound":
        name, difference = "max_drop_points", comparison.difference_points
        if difference is None:
            return judged.not_known(name, limit)
        return most_gate(name, comparison.artifact.path, limit, 0.0 - difference)
    name, statistics = "max_drop_points_bound", comparison.statistics
    accuracy = None if statistics is None else statistics.accuracy
    if accuracy is None:
        return judged.not_known(name, limit)
    lost = 0.0 - accuracy.interval_points[0]
    found = no_worse(accuracy.wins, accuracy.losses, accuracy.images, limit)
    outcomes: dict[str, Outcome] = {"yes": "passed", "no": "failed", "cannot tell": "inconclusive"}
    reason = cannot_tell(found, accuracy.images) if found.answer == "cannot tell" else ""
    return judged.gate(name, limit, lost, outcomes[found.answer], reason)


def _flips(judged: Judged, limit: int | float) -> Gate:
    name = "max_flips" if isinstance(limit, int) else "max_flip_fraction"
    if judged.comparison.statistics is None:
        return judged.not_known(name, limit)
    flips = judged.comparison.statistics.flips
    observed = flips.count if isinstance(limit, int) else flips.fraction
    return most_gate(name, judged.comparison.artifact.path, limit, observed)


def _class_drop(judged: Judged, limit: float) -> Gate:
    """Check the class with the largest loss: over the limit it fails unless chance explains it."""
    name, statistics = "max_class_drop_points", judged.comparison.statistics
    if statistics is None or not statistics.classes:
        return judged.not_known(name, limit)
    found = statistics.classes
    over = [each for each in found if -each.difference_points > limit + ROUNDING]
    certain = [each for each in over if each.is_significant]
    worst = (certain or found)[0]
    outcome: Outcome = "failed" if certain else "inconclusive" if over else "passed"
    reason = f"{judged.classes[worst.label]}, {worst.images:,} images"
    if outcome == "inconclusive":
        reason += f", not distinguishable from chance (p = {worst.corrected_p_value:.2g})"
    return judged.gate(name, limit, 0.0 - worst.difference_points, outcome, reason)


def _speedup(judged: Judged, limit: float) -> Gate:
    comparison = judged.comparison
    if comparison.speedup is None or comparison.speedup_interval is None:
        return judged.not_known("min_speedup", limit, without_interval(comparison))
    low, high = comparison.speedup_interval
    outcome: Outcome = "passed" if low >= limit else "failed" if high < limit else "inconclusive"
    reason = f"its 95% interval is {low:.2f} to {high:.2f}" if outcome == "inconclusive" else ""
    return judged.gate("min_speedup", limit, comparison.speedup, outcome, reason)


def _latency(judged: Judged, limit: float) -> Gate:
    meant = judged.limits.latency_machine
    if meant not in (None, judged.machine):
        reason = f"the limit is of the machine {meant}, this is {judged.machine}"
        return judged.not_known("max_latency_us", limit, reason)
    return replace(latency_gate(judged.comparison, limit), name="max_latency_us")


class Limits(Options):
    """Limits on every candidate; a run passes when all of them hold."""

    max_drop_points: Annotated[
        float | None,
        Limit(
            _drop,
            POINTS,
            "points lost",
            option="max_drop",
            other_gates={
                "max_drop_points_bound": "points lost at the worse end of the 95% interval"
            },
            needs_labels=True,
        ),
    ] = Field(default=None, ge=0, le=100)
    """Fail if accuracy falls by more percentage points than this."""
    drop_on: Annotated[
        Literal["point", "bound"] | None, LimitDetail("max_drop_points", "point or bound")
    ] = None
    """The value that is held against the limit on the drop: the drop as it was measured (point,
    the default), or the end of its 95% interval (bound), which knows how few the images are."""
    min_agreement: Annotated[
        float | None,
        Limit("agreement", FRACTION, "fraction of images with the baseline's answer"),
    ] = Field(default=None, ge=0, le=1)
    """Fail if a smaller fraction of the images gets the baseline's answer."""
    max_flips: Annotated[
        int | float | None,
        Limit(
            _flips,
            IMAGES,
            "images with another answer",
            other_gates={"max_flip_fraction": "fraction of images with another answer"},
        ),
    ] = Field(default=None, ge=0)
    """Fail if more images get another answer: a whole number, or a fraction below 1 of them."""
    max_class_drop_points: Annotated[
        float | None,
        Limit(
            _class_drop,
            POINTS,
            "points lost by the worst class",
            option="max_class_drop",
            needs_labels=True,
        ),
    ] = Field(default=None, ge=0, le=100)
    """Fail if a class loses more percentage points; a loss that chance explains is
    inconclusive."""
    max_calibration_error_rise: Annotated[
        float | None,
        Limit(
            "statistics.calibration.rise",
            SMALL_FRACTION,
            "rise of the calibration error",
            needs_labels=True,
        ),
    ] = Field(default=None, ge=0, le=1)
    """Fail if the expected calibration error, a fraction, rises by more."""
    max_probability_difference: Annotated[
        float | None,
        Limit("max_probability_difference", SMALL_FRACTION, "largest difference in {output}"),
    ] = Field(default=None, ge=0, le=1)
    """Fail if one probability differs by more from the baseline's, on any image."""
    max_bytes: Annotated[
        int | None, Limit("artifact.bytes", BYTES, "bytes", option="max_size", evidence="size")
    ] = Field(default=None, ge=1)
    """Fail if a file has more bytes."""
    max_gzip_bytes: Annotated[
        int | None,
        Limit(
            "artifact.gzip_bytes",
            BYTES,
            "bytes after gzip -9",
            option="max_gzip",
            evidence="size",
        ),
    ] = Field(default=None, ge=1)
    """Fail if a file has more bytes after gzip -9."""
    min_speedup: Annotated[
        float | None,
        Limit(_speedup, RATIO, "times faster than the float32 twin", evidence="time"),
    ] = Field(default=None, gt=0, le=1e6)
    """Fail if a file is not so many times faster than the float32 twin: by the whole 95%
    interval."""
    max_latency_us: Annotated[
        float | None,
        Limit(
            _latency,
            MICROSECONDS,
            "microseconds an image",
            option="max_latency",
            evidence="time",
            also=lambda: {"latency_machine": machine()},
        ),
    ] = Field(default=None, gt=0, le=1e12)
    """Fail if one image takes more microseconds in the median; meant for one machine."""
    latency_machine: Annotated[str | None, LimitDetail("max_latency_us")] = None
    """The machine that max_latency_us is meant for: "machine" in a report's environment."""

    @field_validator("max_flips")
    @classmethod
    def _flips_are_a_count_or_a_fraction(cls, value: int | float | None) -> int | float | None:
        if isinstance(value, float) and value >= 1:
            raise ValueError("a whole number of images, or a fraction below 1")
        return value

    @model_validator(mode="after")
    def _details_have_their_limit(self) -> Self:
        for key, detail in limit_details().items():
            if getattr(self, key) is not None and getattr(self, detail.limit) is None:
                raise ValueError(f"{key} is for a limit: give {detail.limit} too")
        return self

    @property
    def margin_points(self) -> float:
        """The margin of "no worse": the allowed drop, if one is set."""
        return DEFAULT_MARGIN_POINTS if self.max_drop_points is None else self.max_drop_points

    def given(self) -> Iterator[tuple[str, Limit, Any]]:
        """Yield key, limit and value of each limit that is set."""
        for key, limit in all_limits().items():
            if getattr(self, key) is not None:
                yield key, limit, getattr(self, key)

    def of_labels(self) -> tuple[str, ...]:
        """Return the given limits that need labelled images."""
        return tuple(key for key, limit, _ in self.given() if limit.needs_labels)


def all_limits() -> dict[str, Limit]:
    """Return every limit by its key in recipes."""
    return _metadata(Limit)


def limit_details() -> dict[str, LimitDetail]:
    """Return every key that is a detail of a limit."""
    return _metadata(LimitDetail)


def _metadata(kind: type[Any]) -> dict[str, Any]:
    fields = Limits.model_fields.items()
    return {key: each for key, field in fields for each in field.metadata if isinstance(each, kind)}


def gate_texts() -> dict[str, str]:
    """Return the description of the observed value of each gate, by the gate's name."""
    limits = all_limits().items()
    return {name: text for key, each in limits for name, text in _gates(key, each).items()}


def evidence_of(gate: str) -> Evidence:
    """Return the kind of evidence for a gate, by the gate's name."""
    limits = all_limits().items()
    return next((each.evidence for key, each in limits if gate in _gates(key, each)), "answers")


def _gates(key: str, limit: Limit) -> dict[str, str]:
    return {key: limit.says, **limit.other_gates}
