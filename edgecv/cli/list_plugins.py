"""``edgecv list``."""

from typing import TYPE_CHECKING

from edgecv.core.options import CommandOptions

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


class ListCommand(CommandOptions):
    """Options of ``edgecv list``: none."""


def run(options: ListCommand, screen: "Screen") -> int:
    """Print a line for each plug-in."""
    from edgecv.core.registry import all_registries

    screen.lines(
        [
            (registry.kind, name, cls.help_text())
            for registry in all_registries()
            for name, cls in registry.classes.items()
        ]
    )
    return 0
