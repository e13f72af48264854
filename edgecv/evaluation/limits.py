"""The limits that a recipe or a command line may set: ``[gates]``."""

from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecv.core.options import Options
from edgecv.evaluation.paired_statistics import DEFAULT_MARGIN_POINTS

OF_LABELS = ("max_drop_points", "max_class_drop_points", "max_calibration_error_rise")


class Limits(Options):
    """Limits on every candidate; a run passes when all of them hold."""

    max_drop_points: float | None = Field(default=None, ge=0, le=100)
    """The most that the metric may fall below the baseline, in percentage points."""
    drop_on: Literal["point", "bound"] | None = None
    """What is held against max_drop_points: the drop as it was measured (the default), or the end
    of its 95% interval, which knows how few the images are."""
    min_agreement: float | None = Field(default=None, ge=0, le=1)
    """The least fraction of images that get the baseline's answer."""
    max_flips: int | float | None = Field(default=None, ge=0)
    """The most images that may get another answer: a whole number, or a fraction below 1."""
    max_class_drop_points: float | None = Field(default=None, ge=0, le=100)
    """The most that one class may lose; a loss that chance explains is inconclusive."""
    max_calibration_error_rise: float | None = Field(default=None, ge=0, le=1)
    """The most that the expected calibration error, a fraction, may rise."""
    max_probability_difference: float | None = Field(default=None, ge=0, le=1)
    """The most that one probability may differ from the baseline's, on any image."""
    max_bytes: int | None = Field(default=None, ge=1)
    """The most bytes of a file."""
    max_gzip_bytes: int | None = Field(default=None, ge=1)
    """The most bytes of a file after gzip -9."""
    min_speedup: float | None = Field(default=None, gt=0, le=1e6)
    """The least speed-up over the float32 twin: held by the whole 95% interval."""
    max_latency_us: float | None = Field(default=None, gt=0, le=1e12)
    """The most microseconds for one image, in the median."""
    latency_machine: str | None = None
    """The machine that max_latency_us is meant for: "machine" in a report's environment."""

    @field_validator("max_flips")
    @classmethod
    def _flips_are_a_count_or_a_fraction(cls, value: int | float | None) -> int | float | None:
        if isinstance(value, float) and value >= 1:
            raise ValueError("a whole number of images, or a fraction below 1")
        return value

    @model_validator(mode="after")
    def _says_what_it_belongs_to(self) -> Self:
        if self.drop_on is not None and self.max_drop_points is None:
            raise ValueError("drop_on is for a limit on the drop: give max_drop_points too")
        if self.latency_machine is not None and self.max_latency_us is None:
            raise ValueError("latency_machine is for a limit: give max_latency_us too")
        return self

    @property
    def margin_points(self) -> float:
        """What "no worse" is asked for: the drop that is allowed, where one is."""
        return DEFAULT_MARGIN_POINTS if self.max_drop_points is None else self.max_drop_points

    def of_labels(self) -> tuple[str, ...]:
        """Name the limits that are given and that only labelled images can be held against."""
        return tuple(name for name in OF_LABELS if getattr(self, name) is not None)
