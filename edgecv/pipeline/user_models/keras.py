"""A Keras file: adapted, measured, compressed and trained on."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from edgecv.formats.lookup import importer_of
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.preprocessing import choose_preprocessing
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models.adapted_file import (
    AdaptedFile,
    adapt_file,
    reader_of,
)
from edgecv.pipeline.user_models.user_model import UserModel, fitted_to_task


@dataclass(frozen=True)
class KerasModel(UserModel):
    """A file that an importer opens as a Keras model with layers."""

    name: ClassVar[str] = "keras"

    adapted: AdaptedFile

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Return True if an importer reads the file and finds layers in it."""
        return bool(importer_of(path).has_layers)

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Raise InputError if the file needs more trust than it is given."""
        path = Path(str(recipe.baseline.model))
        importer_of(path).check_trust(path, recipe.baseline.trusted)

    @classmethod
    def open(cls, recipe: Recipe, context: RunContext) -> Self:
        """Open and adapt the file in a child, load the data at the size of its input, and find the
        preprocessing where none was given.
        """
        path = Path(str(recipe.baseline.model))
        context.emit("baseline", f"opening the model {path}")
        file = ModelFile.at(path, recipe.baseline.trusted, recipe.baseline.input_spec)
        adapted = adapt_file(file, context.store, context.converter, is_trained=recipe.trains)
        own = adapted.facts
        loaded = load_data(recipe.data, own.shape, context, for_brought=True)
        recipe, data, notes = fitted_to_task(recipe, loaded, own.outputs, own.ending, str(path))
        reader = reader_of(adapted, context.on_event)
        asked = file.input_spec.preprocess
        choice = choose_preprocessing(reader, data, recipe.task, asked, notes)
        if choice.preprocess is not None:
            baseline = recipe.baseline.model_copy(update={"preprocess": choice.preprocess})
            file = replace(file, input_spec=baseline.input_spec)
            recipe = recipe.replace(baseline=baseline)
        if choice.preprocess is not None or recipe.task.ending not in ("", own.ending):
            adapted = adapt_file(
                file, context.store, context.converter, recipe.task, is_trained=recipe.trains
            )
        if recipe.task.ending:
            notes = (*notes, adapted.facts.ending_note)
        notes = (*choice.notes, *adapted.notes, *notes)
        adapted = replace(adapted, facts=adapted.facts.model_copy(update={"notes": notes}))
        for note in adapted.notes:
            context.emit("note", note)
        return cls(recipe, data, context, adapted)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: preprocessing, softmax, conversion from Keras 3."""
        return self.adapted.notes

    @cached_property
    def original(self) -> ModelFile:
        """The user's own file if it needs no adaptation, else the adapted one in the store."""
        return self.adapted.keep(self.context.store)

    @property
    def quantized(self) -> ModelFile | None:
        """The model with the quantizers that it was trained with; None if it had none."""
        return self.adapted.keep_quantized(self.context.store)

    @property
    def untrained(self) -> Any:
        """The model itself. Raises InputError if it has no layers of tf-keras."""
        if self.adapted.facts.untrainable:
            self.refuse_techniques(
                self.recipe,
                f"has no layers of tf-keras to train: {self.adapted.facts.untrainable}",
                accepted="conversion and every --quantize: these need no training",
                remedy="leave the techniques out, or replace those layers and train it again",
            )
        return self.keras_model

    @cached_property
    def keras_model(self) -> Any:
        """The adapted model in this process; a child has opened the file before."""
        return self.adapted.model
