"""The teacher of a run: a better model than the baseline, for techniques that distil."""

from dataclasses import dataclass
from functools import cached_property

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.options import parse_options
from edgecv.core.text import counted
from edgecv.evaluation.comparison import metric_of
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.baseline import baseline_predictions
from edgecv.pipeline.recipe.parts import BaselineOptions
from edgecv.pipeline.user_models import open_user_model
from edgecv.pipeline.user_models.user_model import UserModel


@dataclass(frozen=True)
class RunTeacher:
    """The model that a run learns from: the file that the recipe names, or the baseline itself."""

    model: UserModel
    """The model of the run."""

    @property
    def is_another(self) -> bool:
        """True if the recipe names a model to learn from."""
        return self.model.recipe.baseline.teacher is not None

    def open(self) -> None:
        """Open the file that the recipe names, where it names one: before anything is trained.

        Raises InputError where it has other inputs or classes than the baseline.
        """
        if self.is_another:
            self.model.context.emit("technique", self.note)

    @cached_property
    def file(self) -> ModelFile:
        """The file of the teacher, which takes pixels and gives what the baseline gives."""
        path = self.model.recipe.baseline.teacher
        if path is None:
            return self.model.source
        given = self.model.recipe.baseline
        options = {"model": path, "trust": given.trust, "custom_objects": given.custom_objects}
        recipe = self.model.recipe.replace(baseline=parse_options(BaselineOptions, options, path))
        teacher = open_user_model(recipe, self.model.context)
        _check_same(teacher, self.model, path)
        teacher.keras_model  # noqa: B018  raises InputError for a kind that TensorFlow cannot run
        return teacher.source

    @cached_property
    def note(self) -> str:
        """A sentence for the report: how good the teacher is, beside the baseline."""
        task, data = self.model.recipe.task, self.model.data
        scores = []
        for file in (self.file, self.model.source):
            found = baseline_predictions(file, data.validation, task, self.model.context)
            values = (
                head.task.headline.text(
                    metric_of(
                        head.of(found.outputs), head.targets(data.validation.labels), head.task
                    )
                )
                for head in task.heads()
            )
            scores.append(", ".join(values))
        names = ", ".join(head.task.headline.name for head in task.heads())
        return (
            f"taught by {self.model.recipe.baseline.teacher}: {names} {scores[0]} on the validation"
            f" images, where the baseline has {scores[1]}"
        )

    def load(self) -> KerasModel:
        """Return the model in this process."""
        return self.file.load() if self.is_another else self.model.keras_model


def _check_same(teacher: UserModel, model: UserModel, path: str) -> None:
    """Raise InputError where the teacher's images or classes are not those of the run."""
    where = f"the teacher {path}"
    sizes = [each.data.test.images.shape[1:] for each in (teacher, model)]
    if sizes[0] != sizes[1]:
        own, wanted = ("x".join(map(str, each)) for each in sizes)
        raise InputError(
            where, f"takes images of {own}", accepted=f"those of the baseline: {wanted}"
        )
    names = [each.data.class_names for each in (teacher, model)]
    if names[0] != names[1]:
        raise InputError(
            where,
            f"gives {counted(len(names[0]), 'class')}: {', '.join(names[0][:12])}",
            accepted=f"the outputs of the baseline, in their order: {', '.join(names[1][:12])}",
        )
