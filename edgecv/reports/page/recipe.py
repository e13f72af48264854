"""The recipe of a run as a page shows it."""

from typing import Any

from edgecv.core.report import Report


def recipe_text(report: Report) -> str:
    """Return the recipe of a report as TOML."""
    import tomli_w

    return tomli_w.dumps(_without_none(dict(report.recipe)))


def _without_none(table: dict[str, Any]) -> dict[str, Any]:
    """Return a table of a recipe as TOML can hold it."""
    return {
        key: _without_none(value) if isinstance(value, dict) else value
        for key, value in table.items()
        if value is not None
    }
