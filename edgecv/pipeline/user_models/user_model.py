"""The contract of a user's model: what a run asks of the model that it compresses."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from edgecv.core.errors import InputError
from edgecv.core.records import Costs, Dataset
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.baseline import BaselinePredictions, baseline_predictions
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.model_costs import costs_of
from edgecv.pipeline.recipe.recipe import Recipe


@dataclass(frozen=True)
class UserModel(ABC):
    """The model of a run, opened and fitted to the data.

    A class says which files it opens by ``suffixes``, or by their content in ``reads``.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    needs_no_file: ClassVar[bool] = False
    """Whether it is what a recipe without a model file means."""

    recipe: Recipe
    """With the preprocessing that was found, where none was given."""
    data: Dataset
    """In the order of the model's outputs."""
    context: RunContext

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Tell, quickly and by its content, whether this class opens what is at ``path``.

        Raises InputError where no class opens it.
        """
        return False

    @classmethod
    @abstractmethod
    def check(cls, recipe: Recipe) -> None:
        """Raise InputError where the recipe asks for what such a model cannot do.

        Quick, and without TensorFlow: nothing is opened.
        """

    @classmethod
    @abstractmethod
    def open(cls, recipe: Recipe, context: RunContext) -> Self:
        """Open the model and load the data at the size of its input.

        Raises InputError unless model and data fit each other.
        """

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: how the model was read."""
        return ()

    @abstractmethod
    def warnings(self, reference: BaselinePredictions) -> tuple[str, ...]:
        """Return sentences for the report where the model seems to be read wrongly.

        Raises InputError where it clearly is: nothing that is made of it could be right.
        """

    @property
    @abstractmethod
    def original(self) -> ModelFile:
        """The file that the run keeps as its baseline."""

    @cached_property
    def source(self) -> ModelFile:
        """The file that techniques and exports start from."""
        return self.original

    @cached_property
    def reference(self) -> BaselinePredictions:
        """The predictions for the test split that everything is compared with."""
        return baseline_predictions(self.original, self.data.test, self.recipe.task, self.context)

    @property
    def untrained(self) -> Any:
        """A Keras model with the layers of this one, to check techniques before anything slow.

        Raises InputError for a kind that cannot be trained.
        """
        raise self._not_trainable()

    @property
    def keras_model(self) -> Any:
        """The Keras model in this process, for techniques to train.

        Raises InputError for a kind that cannot be trained.
        """
        raise self._not_trainable()

    def costs(self, compressed: ModelFile) -> tuple[Costs | None, tuple[str, ...]]:
        """Return what both models cost by their graphs, or a sentence why that is not known."""
        return costs_of(self.source, compressed, self.context)

    def _not_trainable(self) -> InputError:
        return InputError(str(self.recipe.baseline.model), f"{self.name} models cannot be trained")
