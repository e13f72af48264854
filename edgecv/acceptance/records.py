"""The records of a judgement: frozen, plain data."""

from dataclasses import dataclass
from typing import Literal

from edgecv.core.display import Displayed
from edgecv.core.paired_results import PairedAccuracy, PairedScores
from edgecv.core.report import Gate, Outcome, Report
from edgecv.evaluation.gates import exit_code

Status = Literal["same", "changed", "missing", "new", "not measured"]
Update = Literal["no", "written", "refused"]


@dataclass(frozen=True)
class Since:
    """The date of the accepted run, and the git commit that was checked out then."""

    date: str
    commit: str | None

    def __str__(self) -> str:
        return self.date if self.commit is None else f"{self.date} (commit {self.commit[:10]})"


@dataclass(frozen=True)
class Figures:
    """The figures of one file, accepted or measured now."""

    sha256: str
    bytes: int
    gzip_bytes: int
    value: float | None
    agreement: float | None
    flips: int | None
    median_us: float | None
    speedup: float | None


@dataclass(frozen=True)
class Change:
    """One artifact, compared with the accepted one."""

    path: str
    status: Status
    """"changed" is a file of another SHA-256."""
    accepted: Figures | None
    found: Figures | None
    same_answers: bool | None = None
    """None if the test images are others."""
    pair: PairedAccuracy | PairedScores | None = None
    """Now (candidate) against the accepted run (baseline), image by image: wins became right, or
    better, losses became wrong, or worse. None if images or labels are others, or unknown."""
    copy_of: str | None = None
    """Another artifact of the run that has the same bytes."""
    head: str = ""
    """The head of the model that was compared; empty where it has one task."""

    @property
    def label(self) -> str:
        """The path of the file, with the head where the model has several."""
        return f"{self.path} ({self.head})" if self.head else self.path


@dataclass(frozen=True)
class Judgement(Displayed):
    """A run against the accepted one."""

    name: str
    lock: str
    since: Since
    outcome: Outcome
    gates: tuple[Gate, ...]
    artifacts: tuple[Change, ...]
    changes: tuple[str, ...]
    """A sentence for each change: files, data, baseline, versions."""
    not_compared: tuple[str, ...]
    """A sentence for each figure that could not be compared with the accepted run."""
    report: Report
    update: Update = "no"
    is_first: bool = False
    """True if there was no lock before."""
    folder: str = "RUN"
    """The folder of the run, as it was given."""
    schema_version: int = 1

    @property
    def title(self) -> str:
        """The run, the lock, and the device where it was measured on one."""
        devices = "".join(f", measured by {each}" for each in self.report.devices)
        return f"{self.name} against {self.lock} of {self.since}{devices}"

    @property
    def exit_code(self) -> int:
        """Return 0 passed or accepted, 1 a gate failed, 3 a file not measured, 4 inconclusive."""
        return 0 if self.update == "written" else exit_code(self.gates)
