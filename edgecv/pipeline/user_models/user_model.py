"""The contract of a user's model: everything that a run needs of it."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

from edgecv.core.costs import Costs
from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.output_shape import OutputShape
from edgecv.core.plugins import TaskHead
from edgecv.core.targets import with_fields
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.baseline import BaselinePredictions, baseline_predictions
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.model_costs import costs_of
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.task_choice import check_takes_names, choose_task


def fitted_to_task(
    recipe: Recipe, data: Dataset, outputs: Sequence[OutputShape], ending: str, where: str
) -> tuple[Recipe, Dataset, tuple[str, ...]]:
    """Return the recipe with the task of a run, the data with its targets, and notes.

    ``ending``: as ``Task.fits`` takes it. Raises InputError where model, data and task do not fit.
    """
    task, notes = recipe.task, tuple[str, ...]()
    if not recipe.task_is_given and recipe.baseline.labels is None:
        answers = [each.shape for each in outputs]
        task, notes = choose_task(data, answers, ending, where, outputs)
    task = task.for_outputs(outputs, where)
    data = task.of_task(data)
    recipe, labels = recipe.replace(task=task, task_is_given=True), recipe.baseline.labels
    if labels is not None:
        check_takes_names(task)
    parts = {
        head.name: _fitted(head, head.data(data), outputs, labels, where) for head in task.heads()
    }
    return recipe, with_fields(data, parts), notes


def _fitted(
    head: TaskHead,
    data: Dataset,
    outputs: Sequence[OutputShape],
    names: Sequence[str] | None,
    where: str,
) -> Dataset:
    """Return the data of one head with its classes in the order of the outputs."""
    answers = [each.shape for each in outputs if not head.output or each.name in head.output]
    if len(answers) == 1 and head.task.takes_shape(answers[0]):
        return head.task.fit_data(data, head.task.names_of(answers[0]), names, where)
    return data


@dataclass(frozen=True)
class UserModel(ABC):
    """The model of a run, opened and fitted to the data.

    A class opens files with its ``suffixes``, or files that it recognizes in ``reads``.
    """

    name: ClassVar[str]
    suffixes: ClassVar[tuple[str, ...]] = ()
    needs_no_file: ClassVar[bool] = False
    """True for the class that serves a recipe without a model file."""

    recipe: Recipe
    """The recipe, with the preprocessing that was found if none was given."""
    data: Dataset
    """The data, its classes in the order of the model's outputs."""
    context: RunContext

    @classmethod
    def reads(cls, path: Path) -> bool:
        """Return True if this class opens the file at ``path``, by its content; a quick check.

        Raises InputError if no class opens it.
        """
        return False

    @classmethod
    @abstractmethod
    def check(cls, recipe: Recipe) -> None:
        """Raise InputError if the recipe asks for something that such a model cannot do.

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

    def warnings(self, reference: BaselinePredictions) -> tuple[str, ...]:
        """Return sentences for the report if the model seems to be read wrongly.

        Raises InputError if it clearly is: no export of it could be correct.
        """
        if not self.data.has_labels:
            return ()
        where = str(self.recipe.baseline.model)
        found = self.recipe.task.doubts(reference.outputs, self.data, where)
        return () if found is None else (found,)

    @property
    @abstractmethod
    def original(self) -> ModelFile:
        """The file that the run keeps as its baseline."""

    @cached_property
    def source(self) -> ModelFile:
        """The file that techniques and exports start from."""
        return self.original

    def loaded(self, file: ModelFile) -> KerasModel:
        """Return the model of a file that techniques start from: the source is open already."""
        return self.keras_model if file is self.source else file.load()

    @property
    def quantized(self) -> ModelFile | None:
        """The file that int8 exports start from if the model was trained with quantizers."""
        return None

    @cached_property
    def reference(self) -> BaselinePredictions:
        """The baseline's predictions for the test split, which everything is compared with."""
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
        """Return the costs of both models, or a sentence with the reason why they are unknown."""
        return costs_of(self.source, compressed, self.context)

    @classmethod
    def refuse_techniques(cls, recipe: Recipe, found: str, accepted: str, remedy: str) -> None:
        """Raise InputError if the recipe has techniques, for a model that cannot be trained."""
        if recipe.techniques:
            names = ", ".join(technique.name for technique in recipe.techniques)
            where, found = str(recipe.baseline.model), f"{found}: {names} cannot be applied"
            raise InputError(where, found, accepted=accepted, remedy=remedy)

    def _not_trainable(self) -> InputError:
        return InputError(str(self.recipe.baseline.model), f"{self.name} models cannot be trained")
