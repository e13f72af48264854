"""``edgecv deploy``."""

from pathlib import Path

from edgecv.analysis.options import DeployOptions, deploy
from edgecv.cli.console import Screen
from edgecv.cli.from_options import JsonOptions


class DeployCommand(JsonOptions, DeployOptions):
    """Options of ``edgecv deploy``."""

    diff: bool = False
    """Show what a new bundle changes for the device, beside an old one; nothing is written."""


def run(options: DeployCommand, screen: Screen) -> int:
    """Deploy a file and show the report, or show what a bundle changes."""
    if options.diff:
        return _diff(options, screen)
    from edgecv.cli.show import show_report
    from edgecv.evaluation.gates import exit_code

    report = deploy(options, on_event=screen.on_event, log=screen.log)
    found = report.deployment
    folder = Path(found.folder) if found is not None and found.folder else None
    show_report(report, folder, screen, as_json=options.as_json)
    return exit_code(report.gates)


def _diff(options: DeployCommand, screen: Screen) -> int:
    from edgecv.analysis.deploy.difference import changes, check_two

    own = ("diff", "paths", "as_json")
    others = {key: each for key, each in type(options).model_fields.items() if key not in own}
    given = [key for key, each in others.items() if getattr(options, key) != each.default]
    options.refuse("--diff", given)
    found = changes(*check_two(options.paths))
    if options.as_json:
        screen.table([{"part": part, "change": change} for part, change in found])
    else:
        screen.lines(found or [("nothing", "changes for the device")])
    return 0
