"""A SavedModel folder: a graph without layers, converted and quantized, but not trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from edgecv.core.errors import InputError
from edgecv.formats.lookup import importer_of
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models.keras import KerasModel


@dataclass(frozen=True)
class SavedModel(KerasModel):
    """A graph that an importer wraps in a Keras model of one layer: no technique can train it."""

    name: ClassVar[str] = "saved_model"

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Return True if an importer reads the folder and finds no layers in it."""
        return not importer_of(path).has_layers

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Raise InputError if the recipe has techniques: there are no layers to train."""
        super().check(recipe)
        if recipe.techniques:
            path = Path(str(recipe.baseline.model))
            kind = importer_of(path).name
            names = ", ".join(technique.name for technique in recipe.techniques)
            raise InputError(
                str(path),
                f"is a {kind} and has no layers to retrain: {names} cannot be applied",
                accepted="conversion and --quantize",
                remedy="give the model as .keras or .h5",
            )
