"""Options of ``edgecv search`` and ``edgecv.search``."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field

from edgecv.core.command_options import CommandOptions, Flag
from edgecv.core.errors import InputError
from edgecv.core.options import Several, Text
from edgecv.core.plugins import Exporter
from edgecv.core.registry import EXPORTERS
from edgecv.evaluation.limits import NONE
from edgecv.formats.lookup import formats_from
from edgecv.pipeline.recipe.checks import check_name
from edgecv.pipeline.recipe.flag_values import default_formats, names_in, with_precision
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.options import (
    InputOptions,
    ModelOptions,
    RunOptions,
    StoreOptions,
    TrustOptions,
)
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.recipe.training_options import TRAINING

LEARNED_FROM = ("teacher", "unlabelled")
"""Options that only recipes with a technique that learns from a teacher use."""
USUAL_TRIALS, MOST_TRIALS = 40, 100_000
PROMOTED = 0.5
"""Fraction of the screened trials of a generation that are trained in full."""
LONGEST_NAME = 80
"""Names of trials are longer by a number and a word."""


class BudgetOptions(CommandOptions):
    """The budget of a search, and how it is spent."""

    section: ClassVar[str] = "Search"

    trials: Annotated[int | None, Flag(default="40")] = Field(default=None, ge=1, le=MOST_TRIALS)
    """Recipes to try."""
    minutes: Annotated[float | None, Flag(default="no limit")] = Field(
        default=None, gt=0, le=100_000
    )
    """Begin no trial that would not end within so many minutes; those that began are finished."""
    sampler: Literal["tpe", "nsga2"] = "tpe"
    """Optuna's way to propose recipes: tpe learns from all trials, nsga2 breeds from the best."""
    generation: int = Field(default=8, ge=1, le=10_000)
    """Recipes that are proposed at a time: the next ones know the results of all of them."""
    screening: float = Field(default=0.25, gt=0, le=1)
    """Fraction of images and steps with which recipes that train are tried first; the better half
    of a generation is then trained in full. 1 trains all in full."""
    workers: Annotated[int | None, Flag(default="as cores and memory allow")] = Field(
        default=None, ge=1, le=1024
    )
    """Trials at a time: on this machine, or on all nodes of a Ray cluster together."""
    engine: Literal["local", "ray"] = "local"
    """Engine that runs the trials: processes of this machine, or tasks on a Ray cluster that is
    there already (extra: ray)."""
    ray_address: Annotated[str | None, Flag(default="auto")] = None
    """The cluster of --engine ray: HOST:PORT, or auto for the one that this machine is part of."""


class SearchedFileOptions(ModelOptions):
    """The user's model, and the files that recipes are compared by."""

    quantize: Annotated[Several | None, Flag(default="int8")] = None
    """The precisions that recipes may have, several with a comma: none, float16, dynamic, int8,
    int16x8, mixed."""
    formats: Annotated[
        Several, Flag("--format", default="tflite, or the first that MODEL and precisions allow")
    ] = ()
    """The format of their files: tflite or onnx."""


class SearchOptions(
    StoreOptions,
    BudgetOptions,
    RunOptions,
    TrustOptions,
    InputOptions,
    SearchedFileOptions,
):
    """Options of ``edgecv search`` and ``edgecv.search``. None means not given."""

    name: Text | None = None
    """Name of the search: a folder in --output."""
    teacher: Text | None = None
    """A better model of the same classes and images: recipes that distil learn from it in place of
    the original."""
    unlabelled: Text | None = None
    """A folder of images without labels, or a .npy of them, which recipes with a teacher learn from
    too."""

    def to_recipe(self) -> Recipe:
        """Return the recipe without techniques that trials start from. Raises InputError."""
        own = {"minutes", *LEARNED_FROM, *(TRAINING if self.model is not None else ())}
        given: dict[str, Any] = {
            name: getattr(self, name)
            for name in self.model_fields_set - own
            if name in CompressOptions.model_fields
        }
        if self.recipe is None:
            given["formats"] = self._format()
        found = CompressOptions(**given).to_recipe(is_searched=True)
        exports = [each for each in found.exports if each.format == found.exports[0].format]
        if self.quantize is not None:
            found = found.replace(search=SearchSpace(quantize=names_in(self.quantize)))
        if found.techniques:
            raise InputError(
                str(self.recipe),
                "has techniques of its own, and a search chooses them",
                remedy="leave [[technique]] out, or use edgecv compress",
            )
        name = self.name or f"{found.name[:70]}-search"
        check_name(name, "--name")
        if len(name) > LONGEST_NAME:
            raise InputError("--name", f"{len(name)} letters", accepted=f"up to {LONGEST_NAME}")
        for key in LEARNED_FROM:
            path = getattr(self, key)
            if path is not None and not Path(path).exists():
                raise InputError(f"--{key} {path}", "does not exist")
        # Options of integers, such as --io, are of this one.
        export = next((each for each in exports if each.precision == "int8"), exports[0])
        if self.quantize is None and found.search is not None:
            _check_precisions(found.search, export, str(self.recipe))
        # Which recipes learn from them is known once they are drawn.
        settings = {"name": name} | _given(unlabelled=self.unlabelled)
        return found.replace(
            settings=found.settings.model_copy(update=settings),
            baseline=found.baseline.model_copy(update=_given(teacher=self.teacher)),
            exports=(export,),
        )

    def _format(self) -> tuple[str, ...]:
        """Return the format of all files: the one that is asked for, or that has the precisions."""
        check_one_format(self.formats)
        if self.formats:
            return self.formats
        asked = {"float32" if each == "none" else each for each in names_in(self.quantize or ())}
        possible = (formats_from(Path(self.model)) if self.model else ()) or default_formats()
        able = [each for each in possible if asked <= {*EXPORTERS.classes[each].precisions}]
        return tuple(able or possible)[:1]

    @property
    def training(self) -> dict[str, Any]:
        """The options of each training of a technique: those that are given beside a MODEL."""
        given: dict[str, Any] = {name: getattr(self, name) for name in ("model", *TRAINING)}
        return CompressOptions(**given).training

    @property
    def most_trials(self) -> int:
        """The number of recipes to try."""
        if self.trials is not None:
            return self.trials
        return USUAL_TRIALS if self.minutes is None else MOST_TRIALS


def _check_precisions(space: SearchSpace, export: Exporter, where: str) -> None:
    """Raise InputError for a precision of a recipe's space that its format has not."""
    for precision in space.quantize:
        try:
            with_precision(export, precision)
        except InputError as error:
            raise InputError(
                f"{where}, [search] quantize {precision}",
                error.found,
                accepted=error.accepted,
                remedy=error.remedy,
            ) from None


def check_one_format(formats: Sequence[str]) -> None:
    """Raise InputError where files of several formats are asked for by name."""
    names = names_in(formats)
    if len(names) > 1:
        raise InputError(
            f"--format {','.join(names)}",
            "recipes are compared by one file each",
            accepted="one format",
            remedy="the recipe that is found takes an [[export]] of the other one",
        )


def files_note(recipe: Recipe, *, is_given: bool) -> str:
    """Return a line on the files of a search, for whoever named no format; ``is_given``: but a
    recipe.
    """
    other = "the first [[export]]" if is_given else "--format names others"
    return f"recipes are compared by .{recipe.exports[0].format} files: {other}"


def _given(**values: str | None) -> dict[str, str]:
    return {key: each for key, each in values.items() if each is not None}


def without_unused(recipe: Recipe) -> Recipe:
    """Return a recipe without a teacher and images that none of its techniques learns from."""
    baseline, settings = recipe.baseline, recipe.settings
    if not any(each.distillation is not None for each in recipe.techniques):
        baseline = baseline.model_copy(update={"teacher": None})
    if not any(each.imitates for each in recipe.techniques):
        settings = settings.model_copy(update={"unlabelled": None})
    return recipe.replace(baseline=baseline, settings=settings)


def judged_on_validation(
    base: Recipe, recipe: Recipe, name: str, fraction: float = 1.0, *, has_control: bool = True
) -> Recipe:
    """Return the recipe of a trial: judged on validation images, by the worse end of an interval.

    ``fraction``: of the training images and steps. ``has_control``: as the recipe of the search
    says; otherwise it has none.
    """
    changes: dict[str, Any] = {"name": name, "judged_on": "validation", "train_fraction": fraction}
    if not has_control:
        changes["control"] = "off"
    gates = base.gates
    if gates.max_drop_points not in (None, NONE):
        gates = gates.model_copy(update={"drop_on": "bound"})
    settings = base.settings.model_copy(update=changes)
    return without_unused(recipe.replace(settings=settings, gates=gates))


def confirmed_on_test(base: Recipe, recipe: Recipe, name: str, remark: str) -> Recipe:
    """Return the recipe that proves, on test images and by the limits of now, what was chosen."""
    settings = base.settings.model_copy(update={"name": name, "remark": remark})
    return without_unused(recipe.replace(settings=settings, gates=base.gates))
