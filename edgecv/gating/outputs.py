"""Where a judgement goes: JSON's plain values, and the files that a command is asked for."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecv.errors import InputError
from edgecv.gating.junit import to_junit
from edgecv.gating.markdown import to_markdown
from edgecv.gating.records import Judgement
from edgecv.reports.json_file import to_table as report_table
from edgecv.store import write_bytes


def to_table(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as JSON's plain values; ``report`` as in a report.json."""
    table = asdict(judgement)
    return {
        "schema_version": table.pop("schema_version"),
        **table,
        "exit_code": judgement.exit_code,
        "report": report_table(judgement.report),
    }


def check_outputs(**paths: Path | None) -> None:
    """Raise InputError, before the slow part, where a file could not be written."""
    for name, path in paths.items():
        if path is None:
            continue
        if not path.parent.is_dir():
            raise InputError(f"--{name}", f"there is no folder {path.parent}")
        if path.is_dir():
            raise InputError(f"--{name}", f"{path} is a folder", accepted="a file")


def write_outputs(judgement: Judgement, *, junit: Path | None, markdown: Path | None) -> None:
    """Write the files that were asked for, each whole or not at all."""
    if junit is not None:
        write_bytes(junit, to_junit(judgement))
    if markdown is not None:
        write_bytes(markdown, to_markdown(judgement).encode())
