"""The next step of a user of a finished run."""

from dataclasses import dataclass
from pathlib import Path
from shlex import quote

from edgecv.core.registry import TARGETS
from edgecv.core.report import Report
from edgecv.core.text import printable
from edgecv.reports.failed_limits import is_of_run, needs_doctor, remedy_of

SAME_OPTIONS = "with the same --baseline, --data and --preprocess, looks into it"


@dataclass(frozen=True)
class NextStep:
    """The next step: a command, or advice for the command that made the run."""

    title: str
    command: str = ""
    advice: str = ""

    def __str__(self) -> str:
        return f"{self.title}: {self.command or self.advice}"


def next_step(report: Report, folder: str, measured: Path | None = None) -> NextStep | None:
    """Return how a run comes onto a device, why it failed, or what may reach its limits.

    ``folder`` of the run, as a shell takes it; ``measured``: the run whose files were measured
    again, which the report names without it. Returns None for an inconclusive run, for a
    deployment, and for files that hold their limits and are of no run.
    """
    if report.deployment is not None:
        return None
    failed = [gate for gate in report.gates if gate.outcome == "failed"]
    for gate in failed:
        if needs_doctor(gate, report):
            if is_of_run(report):
                return NextStep("Why", f"edgecv doctor {folder}")
            file = gate.artifact if measured is None else str(measured / gate.artifact)
            return NextStep("Why", advice=f"edgecv doctor {quote(printable(file))}, {SAME_OPTIONS}")
    for gate in failed:
        if remedy := remedy_of(gate, report):
            return NextStep("To reach it", advice=remedy)
    formats = TARGETS.get("bundle", "--to").formats
    files = [each.artifact for each in report.comparisons if not each.is_twin]
    files = files or [each.artifact for each in report.comparisons]
    of_format = [[each for each in files if each.format == kind] for kind in formats]
    fitting = next(filter(None, of_format), [])
    if report.outcome != "passed" or not fitting or not is_of_run(report):
        return None
    which = f" --artifact {fitting[0].path}" if len(fitting) > 1 else ""
    return NextStep("On a device", f"edgecv deploy {folder} --to bundle{which}")
