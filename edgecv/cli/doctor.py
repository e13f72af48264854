"""``edgecv doctor``."""

from edgecv.analysis.options import DoctorOptions, doctor
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions


class DoctorCommand(JsonOptions, DoctorOptions):
    """Options of ``edgecv doctor``."""


def run(options: DoctorCommand, screen: Screen) -> int:
    """Diagnose a file, try the remedy if requested, and show the results."""
    from edgecv.analysis.doctor.text import to_json, to_text

    found = doctor(options, on_event=screen.on_event, log=screen.log)
    screen.answer(to_json(found) if options.as_json else to_text(found))
    return 1 if any(each.severity == "error" for each in found.findings) else 0
