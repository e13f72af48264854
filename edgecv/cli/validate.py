"""``edgecv validate``."""

from edgecv.analysis.options import ValidateOptions, validate
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions


class ValidateCommand(JsonOptions, ValidateOptions):
    """Options of ``edgecv validate``."""


def run(options: ValidateCommand, screen: Screen) -> int:
    """Measure files and show the report."""
    from edgecv.cli.show import show_report
    from edgecv.evaluation.gates import exit_code

    report = validate(options, on_event=screen.on_event, log=screen.log)
    paths = options.paths
    run = paths[0] if len(paths) == 1 and paths[0].is_dir() else None
    show_report(report, None, screen, as_json=options.as_json, measured=run)
    return exit_code(report.gates)
