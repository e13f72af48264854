"""``edgecv list``."""

from edgecv.cli.console import Screen
from edgecv.core.options import CommandOptions


class ListCommand(CommandOptions):
    """Options of ``edgecv list``: none."""


def run(options: ListCommand, screen: Screen) -> int:
    """Print a line for each plug-in."""
    from edgecv.core.registry import all_registries

    screen.lines(
        [
            (registry.kind, name, cls.help_text(), registry.package_of(name))
            for registry in all_registries()
            for name, cls in registry.classes.items()
        ]
    )
    faults = dict.fromkeys(each for registry in all_registries() for each in registry.faults)
    if faults:
        screen.lines([("broken", each) for each in faults])
    return 0
