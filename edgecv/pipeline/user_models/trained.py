"""No model given: an architecture of the recipe, trained once and kept."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from edgecv.formats.model_file import ModelFile
from edgecv.models.network import check_features
from edgecv.pipeline.baseline import BaselinePredictions, trained_baseline
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.load_data import load_data
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models.user_model import UserModel


@dataclass(frozen=True)
class TrainedModel(UserModel):
    """The recipe's architecture. It is trained at the first use of its file."""

    name: ClassVar[str] = "trained"
    needs_no_file: ClassVar[bool] = True

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Raise InputError if the head of the task does not fit the architecture.

        Techniques check the architecture themselves.
        """
        check_features(recipe.architecture, recipe.task, "--architecture")

    @classmethod
    def open(cls, recipe: Recipe, context: RunContext) -> Self:
        """Load the data at the input size of the architecture."""
        data = load_data(recipe.data, recipe.baseline.input_shape, context)
        return cls(recipe, recipe.task.of_task(data), context)

    def warnings(self, reference: BaselinePredictions) -> tuple[str, ...]:
        """Return no warnings: it was trained on these classes and these pixels."""
        return ()

    @cached_property
    def original(self) -> ModelFile:
        """The trained model in the store."""
        return trained_baseline(self.recipe, self.data, self.context)

    @property
    def untrained(self) -> Any:
        """The architecture with its initial weights."""
        shape = self.recipe.baseline.input_shape
        return self.recipe.architecture.build(shape, self.recipe.task.head(self.data))

    @cached_property
    def keras_model(self) -> Any:
        """The trained model."""
        return self.original.load()
