"""The accepted comparisons of a test file: a small file beside it, with a lock for each."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import tomli_w

from edgecv.acceptance.lock import Lock
from edgecv.acceptance.lock_file import lock_of, lock_table, read_toml, write_toml
from edgecv.core.errors import InputError
from edgecv.datasets.cache_settings import cache_folder
from edgecv.system.storage import refusal
from edgecv.system.storage.locks import hold

UPDATE = "pytest --edgecv-update"
HEADER = f"""\
# What the tests accepted last, written by: {UPDATE}
# Yours to edit are limits, against what was accepted, and gates, against the baseline as in a
# recipe; an update keeps their values. What is left out there is not judged. An entry that no
# test asks for may be deleted.

"""


def accepted_file(test: Path) -> Path:
    """Return the path of a test file's accepted comparisons.

    >>> accepted_file(Path("tests/test_model.py")).as_posix()
    'tests/test_model.edgecv.lock'
    """
    return test.with_name(f"{test.stem}.edgecv.lock")


def read_accepted(path: Path) -> dict[str, Lock]:
    """Return the accepted locks by name. Raises InputError if the file is damaged."""
    if not path.is_symlink() and not path.exists():
        return {}
    found = read_toml(path, UPDATE, f"accept what there is: {UPDATE}")
    locks = {}
    for name, table in found.items():
        where = f'{path}, "{name}"'
        if not isinstance(table, dict):
            raise InputError(where, "is not a table", accepted=f"a file that {UPDATE} wrote")
        locks[name] = lock_of(table, where, UPDATE)
    return locks


def change_entry(path: Path, name: str, change: Callable[[Lock | None], Lock | None]) -> None:
    """Replace an entry by ``change(entry)``; leave the file as it is if that is None.

    Other workers and other test runs that update the file wait, so that no entry is lost. The file
    is replaced as a whole.
    """
    guard = hold(_guard(path), where=str(path), label=path.name, on_wait=lambda holder: None)
    with guard:
        locks = read_accepted(path)
        new = change(locks.get(name))
        if new is None:
            return
        tables = {key: lock_table(lock) for key, lock in sorted({**locks, name: new}.items())}
        write_toml(path, HEADER + tomli_w.dumps(tables))


def _guard(path: Path) -> Path:
    """Return the lock file of a file: in the cache, because beside a test it would be committed."""
    folder = cache_folder() / "accepting"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise refusal(folder, error) from error
    return folder / f"{sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]}.lock"
