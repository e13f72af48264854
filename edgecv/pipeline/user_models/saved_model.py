"""A SavedModel folder: a graph without layers, converted and quantized, but not trained on."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

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
        cls.refuse_techniques(
            recipe,
            f"is a {importer_of(Path(str(recipe.baseline.model))).name} and has no layers to train",
            accepted="conversion and --quantize",
            remedy="give the model as .keras or .h5",
        )
