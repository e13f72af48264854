"""``edgecv list``."""

from edgecv.cli.console import Screen
from edgecv.core.options import CommandOptions
from edgecv.core.registry import all_registries


class ListCommand(CommandOptions):
    """Options of ``edgecv list``: none."""


def run(options: ListCommand, screen: Screen) -> int:
    """Print a line for each plug-in."""
    screen.lines(
        [
            (registry.kind, name, cls.help_text())
            for registry in all_registries()
            for name, cls in registry.classes.items()
        ]
    )
    return 0
