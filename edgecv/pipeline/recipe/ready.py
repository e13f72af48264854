"""Ready recipes: the files of ``recipes/``, which every installation takes by their names."""

from collections.abc import Iterator
from pathlib import Path

import edgecv
from edgecv.core.errors import InputError
from edgecv.core.text import nearest

SUFFIX = ".toml"


def recipe_path(given: str, where: str = "--recipe") -> Path:
    """Return the file of a recipe: a path, or the name of a ready recipe.

    A file in the working folder comes first. Raises InputError for a name that is neither.
    """
    path = Path(given)
    is_there = path.exists() and not path.is_dir()
    if is_there or path.suffix == SUFFIX or path.name != given:
        return path
    known = {each.stem: each for each in _files()}
    if given not in known and path.is_dir():
        return path  # Its reader says that it is a folder.
    if given not in known:
        raise InputError(
            where,
            f"no file and no ready recipe is called {given}",
            accepted=f"a {SUFFIX} file, or the name of a ready recipe",
            remedy=nearest(given, known) or "edgecv list shows the ready recipes",
        )
    return known[given]


def descriptions() -> Iterator[tuple[str, str]]:
    """Yield the name of each ready recipe and the sentence at its head."""
    for path in _files():
        lines = path.read_text("utf-8").splitlines()
        yield path.stem, next(line for line in lines if line.startswith("# ")).removeprefix("# ")


def _files() -> list[Path]:
    package = Path(edgecv.__file__).parent
    # A wheel has them inside of the package; a clone beside it.
    folders = [package / "recipes", package.parent / "recipes"]
    return sorted(path for folder in folders for path in folder.glob(f"*{SUFFIX}"))
