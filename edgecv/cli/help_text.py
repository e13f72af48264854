"""Help of a command in sections: one for each class of options that has a title."""

import re
from typing import Any

from typer.core import TyperArgument, TyperCommand

from edgecv.core.command_options import CommandOptions

OTHER = "Other options"
Rows = list[tuple[str, str]]


class SectionedCommand(TyperCommand):
    """A command whose help shows its options under the titles of their classes."""

    options: type[CommandOptions] = CommandOptions

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the arguments, then the options section by section, untitled ones last."""
        sections: dict[str, Rows] = {"Arguments": []}
        others: Rows = []
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is None:
                continue
            name, text = record[0], _plain_default(record[1])
            if isinstance(parameter, TyperArgument):
                sections["Arguments"].append((parameter.metavar or name, text))
                continue
            title = section_of(self.options, parameter.name or "")
            (sections.setdefault(title, []) if title else others).append((name, text))
        is_titled = len(sections) > 1
        sections[OTHER if is_titled else "Options"] = others
        for title, rows in sections.items():
            if rows:
                with formatter.section(title):
                    formatter.write_dl(rows)


def section_of(options: type[CommandOptions], field: str) -> str:
    """Return the title of the class that defines a field; "" if it has none."""
    for cls in options.__mro__:
        if issubclass(cls, CommandOptions) and field in vars(cls).get("__annotations__", {}):
            return cls.section
    return ""


def _plain_default(text: str) -> str:
    """Return help without the parentheses that Typer puts around a default in words.

    >>> _plain_default("The files to write.  [default: (both)]")
    'The files to write.  [default: both]'
    """
    return re.sub(r"\[default: \((.*)\)\]$", r"[default: \1]", text)
