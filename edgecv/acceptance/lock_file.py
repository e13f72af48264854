"""``edgecv.lock`` on disk: TOML, so that a team reads its diff and edits its limits."""

from pathlib import Path
from typing import Any

import tomli_w

from edgecv.acceptance.lock import SCHEMA_VERSION, AcceptedLimits, Lock
from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.core.options import parse_options
from edgecv.core.tables import MOST_TOML_BYTES, toml_table
from edgecv.evaluation.limits import Limits
from edgecv.system.storage import write_bytes

WRITER = "edgecv gate RUN --update"
HEADER = f"""\
# The run that was accepted last, written by: {WRITER}
# Yours to edit are [limits], against this run, and [gates], against the baseline as in a recipe;
# an update keeps their values. What is left out there is not judged.

"""


def read_lock(path: Path) -> Lock:
    """Read a lock. Raises InputError with the key and what is accepted there."""
    remedy = f"accept a run first: {WRITER} --against {path}"
    return lock_of(read_toml(path, WRITER, remedy), str(path), WRITER)


def lock_of(table: dict[str, Any], where: str, writer: str) -> Lock:
    """Return the lock in a TOML table; ``writer`` is the command that writes such files."""
    if table.get("schema_version") != SCHEMA_VERSION:
        version = table.get("schema_version")
        found = "is no such lock" if version is None else f'"schema_version" is {version!r}'
        raise InputError(
            where,
            found[:200],
            accepted=f"a file that {writer} wrote, version {SCHEMA_VERSION}",
        )
    # The tables that people edit are read alone, so that an error names their keys.
    for key, cls in (("limits", AcceptedLimits), ("gates", Limits)):
        if key in table:
            if not isinstance(table[key], dict):
                raise InputError(where, f'"{key}" is not a table', remedy=f"write [{key}]")
            table[key] = parse_options(cls, table[key], f"{where}, [{key}]")
    return parse_options(Lock, table, where)


def read_toml(path: Path, writer: str, remedy: str) -> dict[str, Any]:
    """Read a TOML file that ``writer`` wrote. Raises InputError; ``remedy``: for none."""
    where, accepted = str(path), f"a file that {writer} wrote"
    try:
        return toml_table(read_regular(path, MOST_TOML_BYTES, accepted=accepted))
    except FileNotFoundError:
        raise InputError(
            where,
            "there is none",
            remedy=remedy,
        ) from None
    except OSError as error:
        raise InputError(where, f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        found = f"is damaged, not TOML: {error}"[:300]
        raise InputError(
            where, found, accepted=accepted, remedy="restore it from version control, or delete it"
        ) from None


def lock_text(lock: Lock) -> str:
    """Return the file: always in the same order, so that a diff shows what changed."""
    return HEADER + tomli_w.dumps(lock_table(lock))


def lock_table(lock: Lock) -> dict[str, Any]:
    """Return a lock as TOML's plain values, in the order of the file."""
    table = lock.model_dump(exclude_none=True)
    if not lock.heads:
        del table["heads"]
    speeds = table.get("speed", {}).get("artifacts", {})
    heads = (head["artifacts"] for head in table.get("heads", {}).values())
    for part in (table["artifacts"], *heads, table["versions"], speeds):
        ordered = dict(sorted(part.items()))
        part.clear()
        part.update(ordered)
    return table


def write_lock(lock: Lock, path: Path) -> None:
    """Write a lock, whole or not at all. Raises InputError for more than can be read back."""
    write_toml(path, lock_text(lock))


def write_toml(path: Path, text: str) -> None:
    """Write a TOML file. Raises InputError where it would be larger than ``read_toml`` reads."""
    content = text.encode()
    if len(content) > MOST_TOML_BYTES:
        raise InputError(
            str(path),
            f"would be {len(content) / 1e6:,.1f} MB",
            accepted=f"up to {MOST_TOML_BYTES // 10**6} MB",
            remedy="accept fewer files at once, or measure fewer test images",
        )
    write_bytes(path, content)
