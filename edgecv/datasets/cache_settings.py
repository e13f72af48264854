"""The settings of the cache of decoded images, as environment variables.

A command sets those that it is given, as long as it runs: its child processes have them too.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.core.quantity import BYTES

FOLDER = "EDGECV_CACHE_DIR"
LIMIT = "EDGECV_CACHE_LIMIT"
OFF = "EDGECV_NO_CACHE"
USUAL_LIMIT = "50GB"


def cache_folder() -> Path:
    """Return the folder of downloads and decoded images."""
    from platformdirs import user_cache_dir

    chosen = os.environ.get(FOLDER)  # Path.expanduser raises for an unknown user.
    return Path(os.path.expanduser(chosen)) if chosen else Path(user_cache_dir("edgecv"))


def cache_limit() -> int:
    """Return the most bytes of decoded images that are kept. Raises InputError."""
    text = os.environ.get(LIMIT) or USUAL_LIMIT
    try:
        return int(BYTES.parse(text))
    except ValueError:
        raise InputError(LIMIT, f'"{text}"', accepted="a size such as 50GB or 800MB") from None


def is_cache_off() -> bool:
    """Return True if no decoded image is kept."""
    return os.environ.get(OFF, "") not in ("", "0")


def variables_of(folder: str | None, limit: str | None, *, is_off: bool) -> dict[str, str]:
    """Return the environment variables of what is given."""
    found = {FOLDER: folder, LIMIT: limit, OFF: "1" if is_off else None}
    return {name: value for name, value in found.items() if value is not None}


@contextmanager
def cache_set(folder: str | None, limit: str | None, *, is_off: bool) -> Iterator[None]:
    """Set what is given, until the end of the context. Raises InputError for a file."""
    place = Path(os.path.expanduser(folder or ".")).absolute()
    if not next(each for each in (place, *place.parents) if each.exists()).is_dir():
        raise InputError("--cache", f"{folder} is no folder", accepted="a folder, which may be new")
    before = {name: os.environ.get(name) for name in (FOLDER, LIMIT, OFF)}
    _set(variables_of(folder, limit, is_off=is_off))
    try:
        yield
    finally:
        _set(before)


def _set(values: Mapping[str, str | None]) -> None:
    for name, value in values.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
