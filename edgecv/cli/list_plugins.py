"""``edgecv list``."""

from typing import TYPE_CHECKING

from edgecv.cli.run_command import on_screen

if TYPE_CHECKING:
    from edgecv.cli.console import Screen


def list_registered() -> None:
    """Show what is registered, a line each."""

    def work(screen: "Screen") -> int:
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

    on_screen(work)
