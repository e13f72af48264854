"""The teacher of a run: a better model than the baseline, for techniques that distil."""

from dataclasses import dataclass, replace
from functools import cached_property

from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.keras_types import KerasModel
from edgecv.core.options import parse_options
from edgecv.core.plugins import Technique
from edgecv.core.report import UnlabelledFacts
from edgecv.core.text import counted, were
from edgecv.datasets.semi_supervised import FurtherImages
from edgecv.evaluation.comparison import metric_of
from edgecv.formats.model_file import ModelFile
from edgecv.models.network import check_features
from edgecv.pipeline.baseline import baseline_predictions, trained_baseline
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.load_data import further_images
from edgecv.pipeline.recipe.parts import BaselineOptions, TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models import open_user_model
from edgecv.pipeline.user_models.user_model import UserModel

AS_BASELINE = (
    "a teacher has the --preprocess of MODEL, and there is none: edgecv compress {} with its own,"
    " and --quantize none, writes a baseline.keras that takes pixels of 0..255, for the teacher"
)
"""The remedy for a teacher of other pixels."""


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
        if self.unlabelled is not None:
            for note in (_sentence(self.unlabelled), *self.unlabelled.notes):
                self.model.context.emit("note", note)

    @cached_property
    def unlabelled(self) -> FurtherImages | None:
        """The images without labels that it teaches with, beside the training images.

        Raises InputError where they cannot be used.
        """
        return further_images(self.model.recipe, self.model.data, self.model.context)

    @property
    def unlabelled_facts(self) -> UnlabelledFacts | None:
        """The facts on these images for the report."""
        found = self.unlabelled
        if found is None:
            return None
        return UnlabelledFacts(len(found.images), found.sha256, found.left_out)

    def notes_on(self, technique: Technique) -> list[str]:
        """Return sentences for the report: from whom, and from what, a technique has learned."""
        notes = [self.note] if technique.distillation is not None and self.is_another else []
        if self.unlabelled is None or not technique.imitates:
            return notes
        batch = min(technique.trainings[0].batch, len(self.model.data.train))
        further = min(batch, len(self.unlabelled.images))
        share = f"{further / (batch + further):.0%} of each batch"
        sees = f"{_sentence(self.unlabelled)}; they were {share}, and a control sees none of them"
        return [*notes, sees, *self.unlabelled.notes]

    @cached_property
    def file(self) -> ModelFile:
        """The file of the teacher, which takes pixels and gives what the baseline gives.

        A network is trained now, unless it is stored.
        """
        recipe, teacher = self.model.recipe, self.model.recipe.baseline.teacher
        if teacher is None:
            return self.model.source
        if isinstance(teacher, TeacherNetwork):
            check_features(teacher.network, recipe.task, "teacher")
            shape = self.model.data.train.images.shape[1:]
            trained = recipe.replace(
                baseline=recipe.baseline.model_copy(update={"input_shape": shape}),
                architecture=teacher.network,
                schedule=teacher.training,
            )
            return trained_baseline(
                trained, self.model.data, self.model.context, training="teacher"
            )
        context = replace(self.model.context, on_event=self._without_known_lines)
        opened = open_teacher(recipe, teacher, context)
        _check_same(opened, self.model, teacher)
        opened.keras_model  # noqa: B018  raises InputError for a kind that TensorFlow cannot run
        return opened.source

    def _without_known_lines(self, event: Event) -> None:
        """Pass on an event while the file is opened, but no line on the data of the run again."""
        on_the_data = event.stage == "data" or event.message in self.model.data.notes
        if not on_the_data or event.step is not None:
            self.model.context.on_event(event)

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
            f"taught by {self.file.path}: {names} {scores[0]} on the validation"
            f" images, where the baseline has {scores[1]}"
        )

    @cached_property
    def keras_model(self) -> KerasModel:
        """The model in this process, read once for all trainings."""
        return self.file.load() if self.is_another else self.model.keras_model


def open_teacher(recipe: Recipe, path: str, context: RunContext) -> UserModel:
    """Open the file of a teacher, with the preprocessing of the model where it needs one.

    Raises InputError where it needs one and the model has none.
    """
    own, asked = recipe_of_teacher(recipe, path), recipe.baseline.preprocess
    try:
        return open_user_model(own, context)
    except InputError as error:
        if "--preprocess" not in error.remedy:
            raise
        if asked is None:
            raise InputError(
                f"the teacher {error.where}",
                error.found,
                accepted=error.accepted,
                remedy=AS_BASELINE.format(path),
            ) from None
    context.emit("note", f"the teacher {path} takes no pixels of 0..255: it has those of the model")
    return open_user_model(
        own.replace(baseline=own.baseline.model_copy(update={"preprocess": asked})), context
    )


def recipe_of_teacher(recipe: Recipe, path: str) -> Recipe:
    """Return a recipe whose model is the file of its teacher, of the same classes."""
    options = {
        "model": path,
        "labels": recipe.baseline.labels,
        "trust": recipe.baseline.trust,
        "custom_objects": recipe.baseline.custom_objects,
    }
    return recipe.replace(baseline=parse_options(BaselineOptions, options, path))


def _sentence(images: FurtherImages) -> str:
    """Return how many images without labels there are, and how many were left out."""
    text = f"{counted(len(images.images), 'image')} without labels beside the training images"
    if not images.left_out:
        return text
    left_out = f"{images.left_out:,} more {were(images.left_out)} left out"
    return f"{text}; {left_out}, as they are test or validation images"


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
