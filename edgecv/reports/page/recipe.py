"""The recipe of a run as a page shows it."""

from typing import Any

from edgecv.core.report import Report


def recipe_text(report: Report) -> str:
    """Return the recipe of a report as TOML."""
    import tomli_w

    return tomli_w.dumps(_without_none(dict(report.recipe)))


def _without_none(value: Any) -> Any:
    """Return a value of a recipe as TOML can hold it: what is not given stands nowhere.

    >>> _without_none({"a": [{"b": None, "c": 1}, None], "d": None})
    {'a': [{'c': 1}]}
    """
    if isinstance(value, dict):
        return {key: _without_none(each) for key, each in value.items() if each is not None}
    if isinstance(value, list | tuple):
        return [_without_none(each) for each in value if each is not None]
    return value
