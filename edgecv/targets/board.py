"""Profiles of boards: a TOML file each, those of this package by name and others by path."""

from functools import cache
from pathlib import Path

from edgecv.core.errors import InputError, unknown_name
from edgecv.core.files import read_regular
from edgecv.core.options import parse_options
from edgecv.core.profile import Profile
from edgecv.core.tables import toml_table

FOLDER = Path(__file__).parent / "profiles"
LARGEST_BYTES = 100_000


@cache
def profile_names() -> tuple[str, ...]:
    """Return the names of the profiles of this package."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def profile_named(name: str) -> Profile:
    """Return a profile by its name, or by the path of a .toml. Raises InputError."""
    path = Path(name)
    if path.suffix != ".toml":
        if name not in profile_names():
            raise unknown_name("--profile", f'there is no profile "{name}"', name, profile_names())
        path = FOLDER / f"{name}.toml"
    try:
        table = toml_table(read_regular(path, LARGEST_BYTES, accepted="a profile, as TOML"))
    except OSError as error:
        raise InputError("--profile", f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError("--profile", f"{path} is damaged: {error}") from None
    return parse_options(Profile, table, str(path))
