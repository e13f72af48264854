"""The command group: lazily imported commands, the grouped help, and corrections of typos."""

from itertools import groupby
from typing import Any

from typer.core import TyperCommand, TyperGroup

from edgecv.cli.commands import COMMANDS
from edgecv.cli.synonyms import command_meant
from edgecv.core.errors import InputError


class LazyGroup(TyperGroup):
    """The group of all commands, listed without importing any."""

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names of all commands, in the order of the help."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:
        """Return a command with its name and help alone, for the list of commands."""
        found = COMMANDS.get(cmd_name)
        return None if found is None else TyperCommand(name=cmd_name, help=found.help)

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[Any, Any, list[str]]:
        """Return the requested command. Raises InputError that names the nearest one."""
        name = args[0]
        if name in COMMANDS:
            from edgecv.cli.from_options import build

            return name, build(name), args[1:]
        if name.startswith("-"):
            return super().resolve_command(ctx, args)
        raise InputError(
            f"edgecv {name}",
            "No such command",
            accepted=", ".join(COMMANDS),
            remedy=command_meant(name),
        )

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the commands in their groups, each with its sentence and an example."""
        for group, members in groupby(COMMANDS.items(), key=lambda item: item[1].group):
            with formatter.section(group):
                rows = []
                for name, command in members:
                    rows += [(name, command.help), ("", f"$ {command.example}")]
                formatter.write_dl(rows)
