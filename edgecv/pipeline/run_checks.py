"""Checks of a run, before anything is trained or written."""

import os
from pathlib import Path

from edgecv.core.errors import InputError
from edgecv.models.training.augmentation import check_schedule
from edgecv.pipeline.recipe.checks import check_devices
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.user_models import UserModel, check_user_model
from edgecv.system.isolation import check_hdf5
from edgecv.system.storage import SPACE_BYTES, Store, bytes_of

COPIES_OF_A_MODEL = 18
"""Largest number of files of its size: finished steps, checkpoints, exports."""


def check_recipe(recipe: Recipe) -> None:
    """Raise InputError for what cannot be run: what is seen without a model or data opened."""
    if recipe.search is not None:
        raise InputError(
            recipe.name,
            "has [search], which is for edgecv search",
            remedy="leave [search] out, or use edgecv search --recipe",
        )
    check_user_model(recipe)
    check_devices(recipe.baseline, recipe.schedule, alone=False)
    if recipe.task_is_given:
        check_schedules(recipe)


def preflight(recipe: Recipe, store: Store, force: bool) -> Path:
    """Check quickly what would fail late; return the folder of the run."""
    place = store.run_folder(recipe.name)
    if os.path.lexists(place) and not force:
        raise InputError(
            str(place), "exists already", remedy="give --force to replace it, or another --name"
        )
    if os.path.lexists(place) and not (place / "manifest.json").exists():
        raise InputError(
            str(place), "is not a run of edgecv: it is not replaced", remedy="use another --name"
        )
    path = None if recipe.baseline.model is None else Path(recipe.baseline.model)
    model_bytes = 0 if path is None else bytes_of(path)
    store.check_writable(SPACE_BYTES + COPIES_OF_A_MODEL * model_bytes)
    if path is not None:
        check_hdf5(path)
    return place


def check_schedules(recipe: Recipe) -> None:
    """Raise InputError for a schedule that the task cannot be trained by."""
    if recipe.baseline.model is None:
        check_schedule(recipe.schedule, recipe.task, "[baseline.training]")
    for technique in recipe.techniques:
        for schedule in technique.trainings[:1]:
            check_schedule(schedule, recipe.task, f"{technique.name}, training")


def check_techniques(model: UserModel) -> None:
    """Raise InputError if a technique does not fit the model, before anything is trained."""
    if not model.recipe.techniques:
        return
    task, data = model.recipe.task, model.data
    separate = task.separated(model.untrained)
    for number, technique in enumerate(model.recipe.techniques, start=1):
        technique.check_task(task)
        technique.check_model(separate)
        if number == len(model.recipe.techniques):
            return
        after = technique.network_after(separate, data.image_shape, task.head(data))
        separate = separate if after is separate else task.separated(after)
