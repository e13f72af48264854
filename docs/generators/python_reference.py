"""The reference of the Python package: every public name, where it is defined."""

import edgecv

HEAD = """# Python

All that is public stands in the package itself: `import edgecv`. The functions do what the
commands of the same names do; what is wrong with an argument is an `InputError`, a step that fails
is a `StepError`, and a limit that does not hold is no exception: see `report.outcome`.
"""


def python_page() -> str:
    """Return the page in Markdown, for mkdocstrings."""
    parts = [HEAD]
    for name in public_names():
        value = getattr(edgecv, name)
        parts.append(f"::: {value.__module__}.{value.__qualname__}\n")
    return "\n".join(parts)


def public_names() -> list[str]:
    """Return the public names, functions first."""
    names = [name for name in edgecv.__all__ if hasattr(getattr(edgecv, name), "__qualname__")]
    return sorted(names, key=lambda name: (name[0].isupper(), name))
