"""A file of TOML, as somebody has written it."""

from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.files import open_regular
from edgecv.core.tables import MOST_TOML_BYTES, toml_table


def read_toml(path: Path) -> dict[str, Any]:
    """Return the table of a file of TOML. Raises InputError."""
    try:
        with open_regular(path, accepted="a file of TOML") as file:
            content = file.read(MOST_TOML_BYTES + 1)
        if len(content) > MOST_TOML_BYTES:
            raise InputError(str(path), "is larger than a recipe can be", accepted="up to 1 MB")
        return toml_table(content)
    except OSError as error:
        raise InputError(str(path), f"cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise InputError(str(path), f"is not TOML: {error}"[:300]) from None
