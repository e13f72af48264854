"""A look at model, data and teacher before the first trial: what can be searched there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.search_space import SearchSpace
from edgecv.pipeline.search.engines.contract import Engine, ModelAndData
from edgecv.pipeline.search.limit_checks import (
    check_limits_can_hold,
    check_reachable,
    check_size_is_reachable,
)
from edgecv.pipeline.search.options import SearchOptions, files_note, without_unused
from edgecv.pipeline.search.space import candidates_of, reachable, space_of
from edgecv.pipeline.teacher import recipe_of_teacher
from edgecv.pipeline.user_models import check_user_model


@dataclass(frozen=True)
class Look:
    """The facts on model and data, and the techniques that fit them."""

    space: SearchSpace
    facts: ModelAndData
    left_out: Mapping[str, str]
    """Reasons by what the model cannot take: a technique, or a value of its options."""


def look_at(
    base: Recipe,
    options: SearchOptions,
    engine: Engine,
    say: Callable[[str], None],
    *,
    trains_teacher: bool,
) -> Look:
    """Open model, data and teacher. Raises InputError for limits that no recipe could hold.

    ``trains_teacher``: a teacher that is a network is trained now, once for all trials. Otherwise
    none is opened, as how good it is, is measured beside the baseline.
    """
    check_limits_can_hold(base)
    space = space_of(base)
    if not options.formats:
        say(files_note(base, is_given=options.recipe is not None))
    say("opening model and data")
    candidates = candidates_of(space, options.training)
    techniques = [each.technique for each in candidates]
    learned_from = base.replace(techniques=tuple(techniques))
    taught = without_unused(learned_from).replace(techniques=(), search=space)
    if trains_teacher:
        if isinstance(taught.baseline.teacher, TeacherNetwork):
            say("training the teacher, unless it is stored already")
    else:
        taught = _untaught(taught)
    facts = engine.look(taught, techniques)
    check_reachable(base, facts.images, has_labels=facts.has_labels)
    space, left_out = reachable(space, candidates, facts.unfit)
    check_size_is_reachable(base, space, facts, candidates)
    for name, reason in left_out.items():
        say(f"{name} is left out: {reason}")
    return Look(space, facts, left_out)


def _untaught(recipe: Recipe) -> Recipe:
    """Return a recipe without its teacher. Raises InputError for a file that nothing opens."""
    teacher = recipe.baseline.teacher
    if isinstance(teacher, str):
        check_user_model(recipe_of_teacher(recipe, teacher))
    return recipe.replace(baseline=recipe.baseline.model_copy(update={"teacher": None}))
