"""Files that a recipe names: each node must have the same at the same path."""

from collections.abc import Mapping
from pathlib import Path

from edgecv.core.errors import EdgecvError
from edgecv.core.text import listed
from edgecv.formats.model_file import model_sha256
from edgecv.formats.trust import Trust
from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search.engines.contract import UnfitMachine

PATHS = "model and data are read on each node: put the same at that path, or on a shared folder"


def check_files(node: str, own: Mapping[str, str]) -> None:
    """Raise UnfitMachine where this node has another file at a path, or none.

    ``own``: hashes on the machine of the search, by path.
    """
    for path, sha256 in own.items():
        if not Path(path).exists():
            raise UnfitMachine(f"node {node}", f"has no {path}", remedy=PATHS)
        try:
            found = model_sha256(Path(path))
        except (OSError, EdgecvError) as error:
            raise UnfitMachine(f"node {node}", f"cannot read {path}: {error}") from None
        if found != sha256:
            raise UnfitMachine(
                f"node {node}",
                f"has another {path}: sha256 {found[:12]} and not {sha256[:12]}",
                remedy=PATHS,
            )


def check_code(node: str, code: Trust, own: str) -> None:
    """Raise UnfitMachine where this node has another code of the user's own layers or training.

    ``own``: its hash on the machine of the search.
    """
    if code.code_sha256() != own:
        raise UnfitMachine(
            f"node {node}",
            f"has another {listed(code.custom_objects)}, or none",
            remedy="put the same modules into the folder of the search on each node",
        )


def without_network_teacher(recipe: Recipe) -> Recipe:
    """Return a recipe without a teacher that would be trained: the head of a search trains it."""
    if not isinstance(recipe.baseline.teacher, TeacherNetwork):
        return recipe
    return recipe.replace(baseline=recipe.baseline.model_copy(update={"teacher": None}))
