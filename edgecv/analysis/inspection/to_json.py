"""An inspection as JSON's plain values."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from edgecv.core.errors import EdgecvError
from edgecv.formats.contents import Inspection

SCHEMA_VERSION = 1


def to_json(results: Sequence[tuple[str, Inspection | EdgecvError]]) -> str:
    """Return all inspections, and the reasons of files that could not be read, as JSON."""
    table = {
        "schema_version": SCHEMA_VERSION,
        "files": [to_table(each) for _, each in results if isinstance(each, Inspection)],
        "failures": [
            {"path": path, "reason": each.reason}
            for path, each in results
            if isinstance(each, EdgecvError)
        ],
    }
    return json.dumps(table, indent=2, allow_nan=False)


def to_table(inspection: Inspection) -> dict[str, Any]:
    """Return an inspection as plain values, with the operators by their arithmetic."""
    table = asdict(inspection)
    contents = table.pop("contents")
    by_arithmetic: dict[str, list[str]] = {}
    for each in inspection.contents.operators:
        by_arithmetic.setdefault(each.arithmetic.replace(" ", "_"), []).append(each.name)
    return {**table, **contents, "by_arithmetic": by_arithmetic}
