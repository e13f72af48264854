"""Files that a recipe names beside its data, by their content."""

from pathlib import Path

from edgecv.formats.model_file import model_sha256
from edgecv.pipeline.recipe.recipe import Recipe


def hashes_of(recipe: Recipe) -> dict[str, str]:
    """Return the hash of each file or folder that a recipe names beside its data, by its path."""
    baseline, backbone = recipe.baseline, recipe.baseline.backbone
    named = [baseline.model, baseline.teacher, recipe.settings.unlabelled]
    named += [] if backbone is None else [backbone.model, backbone.weights]
    return {each: model_sha256(Path(each)) for each in named if isinstance(each, str)}
