"""The outputs of a judgement: JSON, and the files that a command is asked for."""

import os
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgecv.acceptance.junit import to_junit
from edgecv.acceptance.markdown import to_markdown
from edgecv.acceptance.records import Judgement
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.reports.json_file import to_table as report_table
from edgecv.system.storage import write_bytes


def to_table(judgement: Judgement) -> dict[str, Any]:
    """Return a judgement as JSON's plain values; ``report`` as in a report.json."""
    table = asdict(judgement)
    return {
        "schema_version": table.pop("schema_version"),
        **table,
        "exit_code": judgement.exit_code,
        "report": report_table(judgement.report),
    }


def check_files(run: Path, files: Mapping[str, Path | None]) -> None:
    """Raise InputError, before the slow part, if a file to write cannot be written.

    ``files``: the flag and its path, the lock among them.
    """
    seen: dict[Path, str] = {}
    for flag, path in files.items():
        if path is None:
            continue
        place = Path(os.path.realpath(path))  # Unlike resolve(), it survives a loop of links.
        if not path.parent.is_dir():
            raise InputError(flag, f"there is no folder {path.parent}")
        check_regular(path, flag)
        if Path(os.path.realpath(run)) in place.parents:
            raise InputError(
                flag, f"{path} is in the run, which is sealed", remedy="choose another folder"
            )
        if place in seen:
            raise InputError(flag, f"{path} is the file of {seen[place]} too")
        seen[place] = flag


def write_outputs(judgement: Judgement, *, junit: Path | None, markdown: Path | None) -> None:
    """Write the files that were asked for, each whole or not at all."""
    if junit is not None:
        write_bytes(junit, to_junit(judgement))
    if markdown is not None:
        write_bytes(markdown, to_markdown(judgement).encode())
