"""The techniques of a recipe, one after the other, each stored under all that came before it."""

import json
import os
from collections.abc import Callable
from dataclasses import asdict
from functools import cache
from importlib.metadata import version
from typing import Any

from edgecv.baseline import Original
from edgecv.contracts import Constraint, Technique, Tuning
from edgecv.recipe import Recipe
from edgecv.records import Dataset, Event
from edgecv.registry import TECHNIQUES
from edgecv.reports.curves import write_curves
from edgecv.schedule import Schedule
from edgecv.store import Store, content_key, file_sha256, write_bytes, write_json

OnEvent = Callable[[Event], None]
STAGE_VERSION = 1
CALIBRATION_IMAGES = 200


def apply_techniques(
    recipe: Recipe,
    data: Dataset,
    original: Original,
    model: Callable[[], Any],
    store: Store,
    on_event: OnEvent,
) -> tuple[Original, Callable[[], Any], tuple[str, ...]]:
    """Return the model after all techniques, a way to load it, and sentences for the report.

    A recipe that shares its first techniques with an earlier run does not train these again.
    """
    from edgecv.training import separate_softmax

    notes: list[str] = []
    if recipe.techniques:
        separate = separate_softmax(model())
        for technique in recipe.techniques:
            technique.check_model(separate)
    for technique in recipe.techniques:
        original, model = _apply(technique, recipe, data, original, model, store, on_event)
        facts = json.loads((original.path.parent / "facts.json").read_text("utf-8"))
        notes += [f"{technique.name}: {note}" for note in facts["notes"]]
    return original, model, tuple(notes)


def _apply(
    technique: Technique,
    recipe: Recipe,
    data: Dataset,
    original: Original,
    model: Callable[[], Any],
    store: Store,
    on_event: OnEvent,
) -> tuple[Original, Callable[[], Any]]:
    key = _key(technique, recipe, data, original)
    place = store.place("techniques", key)
    if store.find("techniques", key) is not None:
        on_event(Event("technique", f"{technique.name} is stored already"))
    else:
        on_event(Event("technique", f"{technique.name}: training"))
        store.stage(
            "techniques",
            key,
            lambda folder: _write(technique, recipe, data, model(), store, key, folder, on_event),
        )
    (path,) = place.glob("model.*")
    made = Original(path, file_sha256(path))
    return made, cache(made.load)


def _write(
    technique: Technique,
    recipe: Recipe,
    data: Dataset,
    model: Any,
    store: Store,
    key: str,
    folder: Any,
    on_event: OnEvent,
) -> None:
    from edgecv.tf import model_bytes, set_seed
    from edgecv.training import fit, separate_softmax

    notes: list[str] = []
    history: list[Any] = []

    def tune(tuned: Any, schedule: Schedule, constraint: Constraint | None) -> None:
        history[:] = fit(
            tuned,
            data,
            recipe.task,
            schedule.for_data(mirrors=type(recipe.data).mirrors),
            seed=recipe.settings.seed,
            checkpoint=store.checkpoint(key),
            on_event=on_event,
            constraint=constraint,
        )

    set_seed(recipe.settings.seed)
    calibration = data.calibration.images[:CALIBRATION_IMAGES]
    tuning = Tuning(tune, recipe.settings.seed, calibration, notes.append)
    result = technique.apply(separate_softmax(model), tuning)
    suffix, content = model_bytes(result)
    write_bytes(folder / f"model{suffix}", content)
    write_curves(history, folder / "curves.png")
    write_json(
        folder / "facts.json",
        {
            "technique": TECHNIQUES.table(technique),
            "notes": notes,
            "history": [asdict(epoch) for epoch in history],
        },
    )


def _key(technique: Technique, recipe: Recipe, data: Dataset, original: Original) -> str:
    return content_key(
        "technique",
        STAGE_VERSION,
        TECHNIQUES.table(technique),
        original.sha256,
        data.calibration.sha256,
        type(recipe.data).mirrors,
        recipe.settings.seed,
        data.train.sha256,
        data.validation.sha256,
        version("tensorflow"),
        os.cpu_count(),
    )
