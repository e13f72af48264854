"""The baseline: an architecture that is trained once and stored, and a baseline's predictions."""

import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.errors import InputError
from edgecv.core.events import of_training
from edgecv.core.plugins import Head, Task
from edgecv.core.registry import ARCHITECTURES, DATASETS
from edgecv.core.report import TrainingCurve
from edgecv.evaluation.task_of import task_key
from edgecv.formats.model_file import ModelFile
from edgecv.formats.trust import NO_TRUST, import_object
from edgecv.models.backbone import Backbone
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.checkpoint import Epoch
from edgecv.models.training.replicas import WORKERS, is_first_worker
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.labels_file import LABELS, keep_names, labels_text
from edgecv.pipeline.load_data import class_counts, imbalance
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.stored_outputs import npz_of, outputs_in
from edgecv.reports.curves import CURVES, write_curves
from edgecv.system.storage import Store, content_key, copy_file, write_bytes, write_json

MODEL = "model.keras"
PREDICTIONS = "predictions.npz"
STAGE_VERSION = 1
OUTPUTS_VERSION = 2
BACKBONE_VERSION = 2
"""Version of what is trained of a backbone: raised where others of its layers are."""


@dataclass(frozen=True)
class BaselinePredictions:
    """The baseline's outputs for some images, and how many parameters it has."""

    outputs: Outputs
    parameters: int


@dataclass(frozen=True)
class Start:
    """A trained backbone that a baseline starts from."""

    label: str
    """Its part of the name of the folder."""
    key: str
    """The hash of its file, and of how that is read."""
    build: Callable[[Head], Backbone]
    """Returns the network with a new head."""
    notes: tuple[str, ...]
    """Sentences for the report: how the file was read."""


def planned_label(recipe: Recipe) -> str:
    """Return the name of a training as its folder will have it, before the data is read."""
    backbone, architecture = recipe.baseline.backbone, recipe.architecture.name
    data = recipe.data.name
    if data != "cifar10":  # Its archive has any name.
        data = Path(getattr(recipe.data, "path", data)).resolve().stem
    return f"{data}-{architecture if backbone is None else backbone.label(architecture)}"


def trained_baseline(
    recipe: Recipe,
    data: Dataset,
    context: RunContext,
    start: Start | None = None,
    training: str = "baseline",
) -> ModelFile:
    """Return the trained baseline of a recipe: from the store, or trained now.

    ``start``: the backbone of the recipe, None for random weights. ``training``: its name in logs.
    """
    store, key = context.store, _key(recipe, data, start)
    label = f"{Path(data.name).stem}-{start.label if start else recipe.architecture.name}"
    place = store.place("baselines", f"{label}-{key[:8]}")
    if store.find("baselines", place.name) is not None:
        context.emit("baseline", f"the stored {place}")
        keep_names(store, place, data.class_names)
    else:
        for split in ("train", "validation"):
            if not len(data.split(split)):
                raise InputError(
                    data.name,
                    f"has no {split} images to train a baseline with",
                    remedy="give images under train/, or a MODEL",
                )
        context.emit("baseline", f"no stored baseline for {label}: training it")
        note = imbalance(class_counts(data, "train"), "training")
        is_balanced = recipe.task.weighs_classes or recipe.schedule.sampling == "balanced"
        if note and not is_balanced:
            note += "; --class-weights balanced gives an image of a small class more weight"
        if note:
            context.emit("note", note)
        named = replace(context, on_event=of_training(context.on_event, training))
        _keep_trained(store, place.name, recipe, lambda at: _train(recipe, data, named, start, at))
    store.forget(key)  # Again, in case a run was killed in between.
    return ModelFile.at(place / MODEL, recipe.baseline.trusted if start else NO_TRUST)


def _keep_trained(store: Store, name: str, recipe: Recipe, train: Callable[[Path], None]) -> None:
    """Write a trained baseline into the store, unless another process has.

    All workers train at once: those after the first do so apart, for two may have one store.
    """
    if recipe.schedule.device != WORKERS or is_first_worker():
        store.stage("baselines", name, train)
        return
    with tempfile.TemporaryDirectory(prefix="edgecv-worker-") as apart:
        train(Path(apart))

        def copied(folder: Path) -> None:
            for path in Path(apart).iterdir():
                copy_file(path, folder / path.name)

        store.stage("baselines", name, copied)


def own_function(text: str) -> Callable[..., Any]:
    """Import the user's own training function. Raises InputError where that fails."""
    load_tensorflow()  # First: it decides which Keras the user's module gets.
    function: Callable[..., Any] = import_object(text, "[baseline] train =")
    return function


def _fitted(
    recipe: Recipe, data: Dataset, schedule: Schedule, context: RunContext, start: Start | None
) -> tuple[Any, tuple[Epoch, ...]]:
    """Return the trained network of a recipe, and its epochs."""
    from edgecv.models.training.loop import fit
    from edgecv.models.training.own_function import fit_by
    from edgecv.models.training.transfer import fit_stages, stages

    task, head, origin = recipe.task, recipe.task.head(data), recipe.baseline.backbone
    checkpoint = partial(context.store.checkpoint, _key(recipe, data, start))
    options: dict[str, Any] = {"seed": context.seed, "on_event": context.on_event}
    backbone = None if start is None else start.build(head)
    if backbone is None:
        model = recipe.architecture.build(recipe.baseline.input_shape, head)
    else:
        model = backbone.model
        context.emit("baseline", backbone.sentence)
    if recipe.baseline.train is not None:
        context.emit("note", f"{recipe.baseline.train} trains the model: its code runs as you")
        function = own_function(recipe.baseline.train)
        model, epoch = fit_by(function, model, data, task, schedule)
        return model, (epoch,)
    if backbone is None or origin is None:
        return model, fit(model, data, task, schedule, checkpoint=checkpoint(), **options)
    parts = stages(schedule, len(data.train), origin.freeze, origin.fine_tuning_rate)
    return model, fit_stages(backbone, data, task, parts, checkpoints=checkpoint, **options)


def _train(
    recipe: Recipe, data: Dataset, context: RunContext, start: Start | None, folder: Path
) -> None:
    """Train the recipe's network and write model, labels, history and curves."""
    from edgecv.models.tf import keras_bytes, set_seed
    from edgecv.models.training.devices import use_device

    if recipe.schedule.device is not None:
        use_device(recipe.schedule.device)
    set_seed(context.seed)
    schedule = recipe.schedule.for_data(data, mirrors=recipe.mirrors)
    model, history = _fitted(recipe, data, schedule, context, start)
    origin = recipe.baseline.backbone if start else None
    network = {} if origin is None else {"backbone": origin.model_dump(exclude_none=True)}
    if start is None or recipe.baseline.has_architecture:  # A teacher starts from nothing.
        network |= ARCHITECTURES.table(recipe.architecture)
    write_bytes(folder / MODEL, keras_bytes(model))
    write_bytes(folder / LABELS, labels_text(data.class_names))
    curves = recipe.task.curves
    epochs = tuple(epoch.table(curves.score) for epoch in history)
    write_curves([TrainingCurve("baseline", epochs)], curves, folder / CURVES)
    write_json(
        folder / "training.json",
        {
            "architecture": network,
            "data": DATASETS.table(recipe.data),
            "seed": context.seed,
            "schedule": schedule.model_dump(),
            "parameters": model.count_params(),
            "history": epochs,
        },
    )


def baseline_predictions(
    original: ModelFile, split: Split, task: Task, context: RunContext
) -> BaselinePredictions:
    """Return the baseline's outputs for a split: from the store, or predicted now."""
    key = content_key("predictions", OUTPUTS_VERSION, original.sha256, split.sha256)

    def make(folder: Path) -> None:
        outputs, parameters = context.converter.predict(original, split.images)
        write_bytes(folder / PREDICTIONS, npz_of(outputs))
        write_json(folder / "facts.json", {"parameters": parameters})

    found = context.store.stage("predictions", key, make)
    facts = json.loads((found / "facts.json").read_text("utf-8"))
    outputs = outputs_in((found / PREDICTIONS).read_bytes())
    task.check_baseline(outputs, str(original.path))  # Other tasks may have stored them.
    return BaselinePredictions(outputs, facts["parameters"])


def _key(recipe: Recipe, data: Dataset, start: Start | None) -> str:
    origin = recipe.baseline.backbone
    further: list[Any] = (
        [] if start is None or origin is None else [start.key, origin.trained_by, BACKBONE_VERSION]
    )
    if recipe.baseline.train is not None:
        from edgecv.models.training.own_function import source_sha256

        function = own_function(recipe.baseline.train)
        further += [recipe.baseline.train, source_sha256(function)]
    return content_key(
        "baseline",
        STAGE_VERSION,
        ARCHITECTURES.identity(recipe.architecture),
        list(recipe.baseline.input_shape),
        recipe.schedule.model_dump(),
        recipe.mirrors,
        recipe.settings.seed,
        data.train.sha256,
        data.validation.sha256,
        version("tensorflow"),
        os.cpu_count(),  # The number of threads changes the order of sums, and so the weights.
        *task_key(recipe.task.for_data(data)),
        *([] if data.meaning is None else ["numbers, not shifted"]),
        *further,
    )
