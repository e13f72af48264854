"""``edgecv list``."""

from edgecv.cli.console import Screen
from edgecv.core.command_options import CommandOptions


class ListCommand(CommandOptions):
    """Options of ``edgecv list``: none."""


def run(options: ListCommand, screen: Screen) -> int:
    """Print a line for each plug-in, each ready recipe and each profile of a board."""
    from edgecv.core.registry import all_registries
    from edgecv.pipeline.recipe.ready import descriptions
    from edgecv.targets.board import profile_named, profile_names

    screen.lines(
        [
            (registry.kind, name, cls.help_text(), registry.package_of(name))
            for registry in all_registries()
            for name, cls in registry.classes.items()
        ]
    )
    screen.lines([("recipe", name, sentence) for name, sentence in descriptions()])
    boards = [(name, profile_named(name)) for name in profile_names()]
    screen.lines([("profile", name, f"{each.title}, {each.core}") for name, each in boards])
    faults = dict.fromkeys(each for registry in all_registries() for each in registry.faults)
    if faults:
        screen.lines([("broken", each) for each in faults])
    return 0
