"""No model given: an architecture of the recipe, trained once and kept."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

from edgecv.formats.model_file import ModelFile
from edgecv.models.network import check_features
from edgecv.pipeline.baseline import BaselinePredictions, Start, own_function, trained_baseline
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models.backbone import check_backbone, open_start
from edgecv.pipeline.user_models.user_model import UserModel


@dataclass(frozen=True)
class TrainedModel(UserModel):
    """The recipe's architecture. It is trained at the first use of its file."""

    name: ClassVar[str] = "trained"
    needs_no_file: ClassVar[bool] = True

    start: Start | None = None

    @classmethod
    def check(cls, recipe: Recipe) -> None:
        """Raise InputError if the head of the task or the size of images does not fit the network.

        Techniques check the architecture themselves.
        """
        if recipe.baseline.train is not None:
            own_function(recipe.baseline.train)
        if recipe.baseline.has_architecture:
            recipe.architecture.check_shape(recipe.baseline.input_shape)
        backbone = recipe.baseline.backbone
        if backbone is not None:
            check_backbone(recipe, backbone)
            return
        check_features(recipe.architecture, recipe.task, "--architecture")

    @classmethod
    def open(cls, recipe: Recipe, context: RunContext) -> Self:
        """Load the data at the input size of the network."""
        recipe, data, start = open_start(recipe, context)
        return cls(recipe, data, context, start)

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences for the report: how the file of a backbone was read."""
        return () if self.start is None else self.start.notes

    def warnings(self, reference: BaselinePredictions) -> tuple[str, ...]:
        """Return no warnings: it was trained on these classes and these pixels."""
        return ()

    @cached_property
    def original(self) -> ModelFile:
        """The trained model in the store."""
        return trained_baseline(self.recipe, self.data, self.context, self.start)

    @property
    def untrained(self) -> Any:
        """The network with its initial weights."""
        head = self.recipe.task.head(self.data)
        if self.start is not None:
            return self.start.build(head).model
        return self.recipe.architecture.build(self.recipe.baseline.input_shape, head)

    @cached_property
    def keras_model(self) -> Any:
        """The trained model."""
        return self.original.load()
