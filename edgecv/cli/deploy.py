"""``edgecv deploy``."""

from edgecv.analysis.options import DeployOptions, deploy
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions


class DeployCommand(JsonOptions, DeployOptions):
    """Options of ``edgecv deploy``."""


def run(options: DeployCommand, screen: Screen) -> int:
    """Deploy a file and show the report."""
    from edgecv.cli.show import show_report
    from edgecv.evaluation.gates import exit_code

    report = deploy(options, on_event=screen.on_event, log=screen.log)
    show_report(report, None, screen, as_json=options.as_json)
    return exit_code(report.gates)
