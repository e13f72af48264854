"""The reference of the command line, made from the commands themselves."""

from collections.abc import Iterator
from typing import Any

from edgecv.cli.commands import COMMANDS
from edgecv.cli.from_options import build

HEAD = """# Command line

Every command prints this text for `edgecv COMMAND --help`. A command says with its
[exit code](exit-codes.md) how it ended.
"""


def commands() -> dict[str, Any]:
    """Return each command by its name, in the order of the help."""
    return {name: build(name) for name in COMMANDS}


def cli_page() -> str:
    """Return the page in Markdown."""
    parts = [HEAD]
    for name, command in commands().items():
        parts.append(f"## edgecv {name}\n\n{_plain(command.help or '')}\n")
        parts.append(f"```text\n{_usage(name, command)}\n\n{command.epilog}\n```\n")
        parts += _tables(command)
    return "\n".join(parts)


def _usage(name: str, command: Any) -> str:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    shown = [_argument(each) for each in arguments]
    return " ".join(["edgecv", name, "[OPTIONS]", *shown])


def _argument(parameter: Any) -> str:
    name = parameter.name.upper() + ("..." if parameter.nargs == -1 else "")
    return name if parameter.required else f"[{name}]"


def _tables(command: Any) -> Iterator[str]:
    panels: dict[str, list[str]] = {}
    for parameter in command.params:
        if parameter.name in ("install_completion", "show_completion"):
            continue
        panel = getattr(parameter, "rich_help_panel", None) or ""
        panels.setdefault(panel, []).append(_row(parameter))
    for panel, rows in panels.items():
        title = f"**{panel}**\n\n" if panel else ""
        yield f"{title}| option | meaning | default |\n|---|---|---|\n" + "\n".join(rows) + "\n"


def _row(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        name = f"`{_argument(parameter)}`"
    else:
        name = ", ".join(f"`{each}`" for each in parameter.opts)
    return f"| {name} | {_plain(parameter.help or '')} | {_default(parameter)} |"


def _default(parameter: Any) -> str:
    shown = getattr(parameter, "show_default", None)
    if isinstance(shown, str):
        return _plain(shown)
    if parameter.required:
        return "required"
    value = parameter.default
    if value in (None, False, (), []) or callable(value) or type(value).__name__ == "Sentinel":
        return ""
    return f"`{value}`"


def _plain(text: str) -> str:
    """Return text that a Markdown table shows as it is."""
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")
