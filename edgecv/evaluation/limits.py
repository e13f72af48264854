"""The limits of recipes, the command line, Python and tests: one field for each limit.

A new limit is a field here with a ``Limit``; its flag, its parameters in Python and in the pytest
fixture, its entry in the schema of recipes and in the docs are made from that.
"""

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecv.core.options import Options
from edgecv.core.quantity import (
    BYTES,
    DECIBELS,
    FRACTION,
    IMAGES,
    MICROSECONDS,
    POINTS,
    RATIO,
    SMALL_FRACTION,
)
from edgecv.core.report import Gate
from edgecv.evaluation.limit import Default, Evidence, Judged, Limit, LimitDetail
from edgecv.evaluation.limit_gates import (
    class_drop,
    cosine,
    default_agreement,
    default_class_drop,
    default_cosine,
    default_drop,
    difference,
    drop,
    flips,
    latency,
    speedup,
    sqnr,
)
from edgecv.evaluation.paired_statistics import DEFAULT_MARGIN_POINTS
from edgecv.system.environment import machine

DefaultWord = Literal["none", "default"]
"""A limit that is switched off, or the one that holds where none is given."""
PointsOrWord = Annotated[float, Field(ge=0, le=100)] | DefaultWord | None
FractionOrWord = Annotated[float, Field(ge=0, le=1)] | DefaultWord | None
NONE, DEFAULT = "none", "default"
DEFAULT_DROP_POINTS = 2.0


class Limits(Options):
    """Limits on every candidate; a run passes when all of them hold.

    Some have a default, which ``with_defaults`` puts where nothing is given.
    """

    max_drop_points: Annotated[
        PointsOrWord,
        Limit(
            drop,
            POINTS,
            "points lost",
            option="max_drop",
            default=Default(DEFAULT_DROP_POINTS, default_drop),
            allowed="{:g} points lost",
            other_gates={
                "max_drop_points_bound": "points lost at the worse end of the 95% interval"
            },
            needs_labels=True,
        ),
    ] = None
    """Fail if accuracy falls by more percentage points than this. By default 2, and inconclusive
    where its 95% interval reaches back to the limit."""
    drop_on: Annotated[
        Literal["point", "bound"] | None, LimitDetail("max_drop_points", "point or bound")
    ] = None
    """The value that is held against the limit on the drop: the drop as it was measured (point),
    or the worse end of its 95% interval (bound), which knows how few the images are."""
    min_agreement: Annotated[
        FractionOrWord,
        Limit(
            "agreement",
            FRACTION,
            "fraction of images with the baseline's answer",
            default=Default(0.9, default_agreement),
            allowed="the baseline's answer on {:g}% of the images or more",
        ),
    ] = None
    """Fail if a smaller fraction of the images gets the baseline's answer. By default 90% for
    images without labels."""
    max_flips: Annotated[
        int | float | None,
        Limit(
            flips,
            IMAGES,
            "images with another answer",
            other_gates={"max_flip_fraction": "fraction of images with another answer"},
        ),
    ] = Field(default=None, ge=0)
    """Fail if more images get another answer: a whole number, or a fraction below 1 of them."""
    max_class_drop_points: Annotated[
        PointsOrWord,
        Limit(
            class_drop,
            POINTS,
            "points lost by the worst class",
            option="max_class_drop",
            default=Default(20.0, default_class_drop),
            allowed="{:g} points by a class",
            needs_labels=True,
        ),
    ] = None
    """Fail if a class loses more percentage points; a loss that chance explains is inconclusive.
    By default 20, and then such a loss passes."""
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
    min_cosine: Annotated[
        FractionOrWord,
        Limit(
            cosine,
            FRACTION,
            "cosine similarity of an output with the baseline's",
            default=Default(0.9, default_cosine),
            allowed="a cosine similarity of {limit:g} or more",
        ),
    ] = None
    """Fail if the mean cosine similarity of an output with the baseline's is smaller. By default
    0.9, which proves nothing but that the file is not broken; for --task outputs."""
    min_sqnr_db: Annotated[
        float | None,
        Limit(sqnr, DECIBELS, "decibels of signal to quantization noise", option="min_sqnr"),
    ] = Field(default=None, ge=-100, le=300)
    """Fail if the signal to quantization noise ratio of an output is smaller, in decibels; for
    --task outputs."""
    max_difference: Annotated[
        float | None,
        Limit(difference, SMALL_FRACTION, "largest difference, as a fraction of an output's range"),
    ] = Field(default=None, ge=0, le=1e6)
    """Fail if a number differs by more from the baseline's, on any image, as a fraction of the
    range of its output; for --task outputs."""
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
        Limit(speedup, RATIO, "times faster than the float32 twin", evidence="time"),
    ] = Field(default=None, gt=0, le=1e6)
    """Fail if a file is not so many times faster than the float32 twin: by the whole 95%
    interval."""
    max_latency_us: Annotated[
        float | None,
        Limit(
            latency,
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
            if getattr(self, key) is not None and getattr(self, detail.limit) in (None, NONE):
                raise ValueError(f"{key} is for a limit: give {detail.limit} too")
        return self

    @property
    def margin_points(self) -> float:
        """The margin of "no worse": the allowed drop, where any drop is limited."""
        given = self.max_drop_points
        if given == NONE:
            return DEFAULT_MARGIN_POINTS
        return given if isinstance(given, int | float) else DEFAULT_DROP_POINTS

    def meant_for(self, machine: str) -> Self:
        """Return the limits with the one on time meant for a machine, unless it is for another."""
        if self.max_latency_us is None or self.latency_machine is not None:
            return self
        return self.model_copy(update={"latency_machine": machine})

    @property
    def judges_numbers(self) -> bool:
        """True if a limit on the numbers of outputs is given."""
        keys = {key for key, _, _ in self.given()}
        return bool(keys & {"min_cosine", "min_sqnr_db", "max_difference"})

    def with_defaults(self) -> Self:
        """Return the limits with the default ones where nothing is given.

        >>> Limits(max_drop_points="none").with_defaults().max_class_drop_points
        'default'
        """
        missing = {
            key: DEFAULT
            for key, limit in all_limits().items()
            if limit.default is not None and getattr(self, key) is None
        }
        return self.model_copy(update=missing)

    def given(self) -> Iterator[tuple[str, Limit, Any]]:
        """Yield key, limit and value of each limit with a number of its own."""
        for key, limit in all_limits().items():
            if getattr(self, key) not in (None, NONE, DEFAULT):
                yield key, limit, getattr(self, key)

    def judge(self, judged: Judged) -> Iterator[Gate]:
        """Yield the gate of each limit; none for a default one on a figure that is not known."""
        for key, limit in all_limits().items():
            value, seen = getattr(self, key), judged.seen_by(limit)
            gate = None
            if value == DEFAULT and limit.default is not None:
                gate = limit.default.judge(seen, limit.default.value)
                gate = None if gate is None or gate.observed is None else gate
            elif value not in (None, NONE):
                gate = limit.judge(key, seen, value)
            if gate is not None:
                is_control = seen.comparison is not judged.comparison
                yield replace(gate, against="control") if is_control else gate

    def without(self, keys: Collection[str]) -> Self:
        """Return the limits with some, and the details of these, as if they were not given."""
        details = {name for name, each in limit_details().items() if each.limit in keys}
        return self.model_copy(update=dict.fromkeys((*keys, *details)))

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
    key = key_of(gate)
    return all_limits()[key].evidence if key else "answers"


def key_of(gate: str) -> str:
    """Return the key in recipes of the limit of a gate; empty for a gate of no limit."""
    return next((key for key, each in all_limits().items() if gate in _gates(key, each)), "")


def _gates(key: str, limit: Limit) -> dict[str, str]:
    return {key: limit.says, **limit.other_gates}
