"""The tables of ``edgecv.lock``, the record of an accepted run: strict, as in the file."""

import math
from datetime import date
from hashlib import sha256
from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from edgecv.acceptance.answer_bits import Base64, PackedScores, unpacked
from edgecv.core.options import Options
from edgecv.evaluation.limits import Limits

SCHEMA_VERSION = 1
DIGITS = 6
"""The decimal places of figures in a lock."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
LONGEST_LINE, DIGEST = 200, 16
ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,200}$"
OneLine = Annotated[str, Field(pattern=ONE_LINE)]
"""One line of printable characters."""
FileName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,199}$")]
Fraction = Annotated[float, Field(ge=0, le=1)]
Value = Annotated[float, Field(allow_inf_nan=False)]
"""A fraction of images, or a metric of another unit."""
Count = Annotated[int, Field(ge=0, le=10**15)]


def head_key(name: str) -> str:
    """Return the key of a head in a lock: its name, which several outputs may make too long.

    >>> head_key("scores+boxes")
    'scores+boxes'
    >>> len(head_key("scores+" * 99))
    200
    """
    if len(name) <= LONGEST_LINE:
        return name
    digest = sha256(name.encode(errors="surrogatepass")).hexdigest()[:DIGEST]
    return f"{name[: LONGEST_LINE - DIGEST - 1]}~{digest}"


class AcceptedLimits(Options):
    """Limits on how much worse than the accepted run a run may be; one left out is not judged."""

    max_drop_points: float | None = Field(default=None, ge=0, le=100)
    """The most that the metric may fall, in percentage points."""
    drop_on: Literal["point", "bound"] | None = None
    """The figure that is compared with it: the drop as measured, or the worse end of its 95%
    interval (the default)."""
    max_agreement_drop_points: float | None = Field(default=None, ge=0, le=100)
    """The most that the agreement with the baseline may fall, in percentage points."""
    max_growth_percent: float | None = Field(default=None, ge=0, le=1e6)
    """The most that a file may grow, in bytes and in bytes after gzip -9."""
    max_slowdown_percent: float | None = Field(default=None, ge=0, lt=100)
    """The most that the speed-up over the float32 twin may fall, on the same kind of machine."""

    @model_validator(mode="after")
    def _has_a_limit(self) -> Self:
        if self.drop_on is not None and self.max_drop_points is None:
            raise ValueError("drop_on is for a limit on the drop: give max_drop_points too")
        return self


def default_limits(*, has_labels: bool, has_speedups: bool) -> AcceptedLimits:
    """Return the limits of a first lock: none on a figure that is not known."""
    return AcceptedLimits(
        max_drop_points=0.5 if has_labels else None,
        drop_on="bound" if has_labels else None,
        max_agreement_drop_points=0.5,
        max_growth_percent=2.0,
        max_slowdown_percent=10.0 if has_speedups else None,
    )


class AcceptedData(Options):
    """The test images that all figures were measured on."""

    name: OneLine
    images: int = Field(ge=1, le=10**8)
    test_sha256: Sha256


class AcceptedBaseline(Options):
    """The original model."""

    sha256: Sha256
    metric: OneLine
    value: Value | None = None


class AcceptedControl(Options):
    """The baseline, trained on as the techniques trained."""

    sha256: Sha256
    value: Value
    decides: bool
    """True where limits on quality were held against it, not against the baseline."""


class AcceptedArtifact(Options):
    """One file and its figures."""

    sha256: Sha256
    bytes: Count
    gzip_bytes: Count
    value: Value | None = None
    agreement: Fraction
    flips: Count
    """Images with another answer than the baseline's."""
    answers_sha256: Sha256
    right: Base64 | None = None
    """One bit a test image, set where it is right; left out where there are no labels."""
    scores: PackedScores | None = None
    """The score of each test image, instead of ``right``, for a task whose scores are not 0 or
    1."""


class AcceptedHead(Options):
    """The answers of one head of a model that has several."""

    metric: OneLine
    value: Value | None = None
    """The metric of the baseline."""
    artifacts: dict[FileName, AcceptedArtifact] = Field(min_length=1)


class AcceptedSpeed(Options):
    """The latency of one file."""

    median_us: float = Field(gt=0, le=1e12)
    speedup: float | None = Field(default=None, gt=0, le=1e6)
    """Over the float32 twin of its format."""


class AcceptedSpeeds(Options):
    """Latencies, which hold for one kind of machine only."""

    machine: OneLine
    threads: int = Field(ge=1, le=1024)
    artifacts: dict[FileName, AcceptedSpeed]

    @field_validator("artifacts")
    @classmethod
    def _is_finite(cls, found: dict[str, AcceptedSpeed]) -> dict[str, AcceptedSpeed]:
        if not all(math.isfinite(each.median_us) for each in found.values()):
            raise ValueError("finite numbers")
        return found


class Lock(Options):
    """An accepted run."""

    schema_version: Literal[1]
    name: OneLine
    accepted: date
    commit: str | None = Field(default=None, pattern=r"^[0-9a-f]{40,64}$")
    """The git commit that was checked out when it was accepted."""
    limits: AcceptedLimits = AcceptedLimits()
    gates: Limits = Limits()
    """Limits against the baseline, as in a recipe."""
    data: AcceptedData
    baseline: AcceptedBaseline
    control: AcceptedControl | None = None
    """None for a run without a control; of the first head where the model has several."""
    artifacts: dict[FileName, AcceptedArtifact] = Field(min_length=1)
    heads: dict[OneLine, AcceptedHead] = Field(default_factory=dict)
    """The heads after the first, for a model of several tasks: ``baseline`` and ``artifacts`` are
    of the first."""
    versions: dict[OneLine, OneLine]
    speed: AcceptedSpeeds | None = None
    """None where nothing was timed."""

    def of_head(self, name: str) -> Self:
        """Return the lock with the answers of one head: those of the first for any other name."""
        head = self.heads.get(head_key(name))
        if head is None:
            return self
        baseline = {"metric": head.metric, "value": head.value}
        return self.model_copy(
            update={
                "artifacts": head.artifacts,
                "baseline": self.baseline.model_copy(update=baseline),
            }
        )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for name in ("", *self.heads):
            self.of_head(name)._check_artifacts()
        return self

    def _check_artifacts(self) -> None:
        for path, artifact in self.artifacts.items():
            held = [each for each in (artifact.right, artifact.scores) if each is not None]
            if len(held) != (artifact.value is not None):
                raise ValueError(
                    f"artifacts.{path}: value and one of right and scores stand together, or none"
                )
            if artifact.flips > self.data.images:
                raise ValueError(f"artifacts.{path}: more flips than test images")
            key = "scores" if artifact.right is None else "right"
            try:
                if artifact.scores is not None:
                    artifact.scores.unpacked(self.data.images)
                if artifact.right is None or artifact.value is None:
                    continue
                right = unpacked(artifact.right, self.data.images)
            except ValueError as error:
                raise ValueError(f"artifacts.{path}.{key} is not {error}") from None
            if self.baseline.metric == "accuracy" and abs(right.mean() - artifact.value) > 1e-6:
                raise ValueError(
                    f"artifacts.{path}: value is not the fraction of the bits in right that are set"
                )
