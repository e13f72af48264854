"""The reference of the Python package: functions by their signatures, records where defined."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

import edgecv
from edgecv.api.call import Data, Model
from edgecv.core.command_options import plain_type
from edgecv.core.events import OnEvent

HEAD = """# Python

All that is public stands in the package itself: `import edgecv`. The functions do what the
commands of the same names do, and take the same options: they are made from the same classes. What
is wrong with an argument is an `InputError` that names the parameter, a step that fails is a
`StepError`, and a limit that does not hold is no exception: see `report.outcome`.
[The guide](../guides/python.md) shows them at work.
"""
ALIASES = {
    Model: "path or Keras model",
    Data: "name, path or arrays",
    OnEvent: "function of an `Event`",
}
"""Types that have a name of their own: the docstrings say what is accepted."""
PARAMETER = re.compile(r"^    (\w+): (.+)$")


def python_page() -> str:
    """Return the page in Markdown, with the records for mkdocstrings."""
    names = public_names()
    parts = [HEAD]
    for name in names:
        value = getattr(edgecv, name)
        if inspect.isfunction(value):
            parts += function_section(name, value)
        else:
            parts.append(f"::: {value.__module__}.{value.__qualname__}\n")
    return "\n".join(parts)


def public_names() -> list[str]:
    """Return the public names, functions first."""
    names = [name for name in edgecv.__all__ if hasattr(getattr(edgecv, name), "__qualname__")]
    return sorted(names, key=lambda name: (name[0].isupper(), name))


def function_section(name: str, function: Any) -> Iterator[str]:
    """Give the parts of a function: what it does, how it is called, and every parameter."""
    text, meanings = docstring_of(function)
    signature = inspect.signature(function)
    returned = _type(signature.return_annotation).replace("`", "")
    required = [
        f"{each.name}" for each in signature.parameters.values() if each.default is each.empty
    ]
    call = ", ".join([*required, "..."] if len(signature.parameters) > len(required) else required)
    yield f"## edgecv.{name}\n\n```python\nedgecv.{name}({call}) -> {returned}\n```\n"
    yield text.replace("``", "`") + "\n"
    yield (
        "| parameter | type | default | meaning |\n|---|---|---|---|\n"
        + "\n".join(
            _row(each, meanings.get(each.name) or text.splitlines()[0])
            for each in signature.parameters.values()
        )
        + "\n"
    )


def docstring_of(function: Any) -> tuple[str, dict[str, str]]:
    """Return what a docstring says of a function, and the meaning of each parameter."""
    text, _, arguments = (inspect.getdoc(function) or "").partition("\nArgs:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in arguments.splitlines():
        if found := PARAMETER.match(line):
            name = found[1]
            meanings[name] = found[2]
        elif line.strip():
            meanings[name] += f" {line.strip()}"
    return text.strip(), meanings


def _row(parameter: inspect.Parameter, meaning: str) -> str:
    default = "required"
    if parameter.default is not parameter.empty:
        default = "" if parameter.default in (None, ()) else f"`{_written(parameter.default)}`"
    meaning = meaning.replace("|", "\\|").replace("<", "&lt;").replace("``", "`")
    return f"| `{parameter.name}` | {_type(parameter.annotation)} | {default} | {meaning} |"


def _written(value: Any) -> str:
    return repr(value if isinstance(value, bool | int | float | str) else str(value))


def _type(annotation: Any) -> str:
    """Write a type as a reader calls it, without None: the default says that."""
    for alias, words in ALIASES.items():
        if annotation in (alias, alias | None):
            return words
    inner = str(plain_type(annotation)) if not isinstance(annotation, type) else ""
    if not inner:
        return f"`{annotation.__name__}`"
    kinds = [each.strip() for each in re.sub(r"[\w.]+\.(\w+)", r"\1", inner).split("|")]
    return " or ".join(f"`{each}`" for each in kinds if each != "None")
