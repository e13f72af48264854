"""The command that a user of a finished run needs next."""

from edgecv.core.registry import TARGETS
from edgecv.core.report import Report


def next_step(report: Report, folder: str) -> tuple[str, str] | None:
    """Return a sentence and the command: a run onto a device, or the reason that it failed.

    ``folder`` of the run, as a shell takes it. Returns None for an inconclusive run, and for a
    deployment.
    """
    if report.deployment is not None:
        return None
    if report.outcome == "failed":
        return "Why", f"edgecv doctor {folder}"
    formats = TARGETS.get("bundle", "--to").formats
    files = [each.artifact for each in report.comparisons if not each.is_twin]
    files = files or [each.artifact for each in report.comparisons]
    of_format = [[each for each in files if each.format == kind] for kind in formats]
    fitting = next(filter(None, of_format), [])
    if report.outcome != "passed" or not fitting:
        return None
    which = f" --artifact {fitting[0].path}" if len(fitting) > 1 else ""
    return "On a device", f"edgecv deploy {folder} --to bundle{which}"
