"""The precision of each layer of a mixed file, chosen on validation images under the limits."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.core.registry import EXPORTERS
from edgecv.evaluation.task_of import task_key
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline.context import RunContext
from edgecv.pipeline.control import TrainedControl
from edgecv.pipeline.export import PlannedExport
from edgecv.pipeline.mixed.limits import has_limit, limits_answers, limits_of_choice
from edgecv.pipeline.mixed.search import LayerChoice, LayerSearch
from edgecv.pipeline.mixed.trial_runner import TrialRunner
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.recipe.shown_drop import check_drop_is_shown
from edgecv.pipeline.user_models import UserModel
from edgecv.system.environment import environment
from edgecv.system.storage import content_key, write_bytes

STAGE_VERSION = 3


def check_mixed(recipe: Recipe, data: Dataset) -> None:
    """Raise InputError where layers are to be chosen, and there is nothing to choose them by."""
    if not any(exporter.layer_choices for exporter in recipe.exports):
        return
    named = 'or name layers: layers = {"conv_1" = "float32"} under [[export]]'
    if not len(data.validation):
        raise InputError(
            data.name,
            "has no validation images, and mixed chooses the precision of each layer on them",
            remedy=f"add training images, {named}",
        )
    limits = limits_of_choice(recipe.gates, has_labels=data.has_labels)
    is_limited = limits_answers(limits, has_labels=data.has_labels)
    if not is_limited and not has_limit(limits, "size", "time"):
        raise InputError(
            "--quantize mixed",
            "chooses the precision of each layer, and nothing limits answers, size or time",
            remedy=f"give --max-drop, --max-size or --min-speedup, {named}",
        )
    if data.has_labels:
        check_drop_is_shown(recipe, {name: len(data.split(name)) for name in SPLITS})


def with_chosen_layers(
    planned: Sequence[PlannedExport],
    model: UserModel,
    source: ModelFile,
    control: TrainedControl | None,
    context: RunContext,
) -> tuple[list[PlannedExport], tuple[str, ...]]:
    """Return the exports of a run with the precision of each layer, and notes on the choice.

    ``source``: the model that is exported. A choice is stored, and so is each trial of it.
    """
    found, notes = [], list[str]()
    for each in planned:
        if not each.exporter.layer_choices:
            found.append(each)
            continue
        choice = _chosen(each, model, source, control, context)
        found.append(replace(each, exporter=each.exporter.with_layers(choice.layers)))
        notes += [f"{each.name}: {note}" for note in choice.notes]
        if choice.missed:
            context.emit("note", f"{each.name}: {choice.missed}")
            notes.append(f"{each.name}: {choice.missed}")
    return found, tuple(notes)


def _chosen(
    planned: PlannedExport,
    model: UserModel,
    source: ModelFile,
    control: TrainedControl | None,
    context: RunContext,
) -> LayerChoice:
    """Return the choice for one file: a stored one, or that of a search, made now."""
    data, recipe, facts = model.data, model.recipe, environment()
    beside = None if control is None else control.file
    limits = limits_of_choice(recipe.gates, has_labels=data.has_labels)
    key = content_key(
        "mixed",
        STAGE_VERSION,
        EXPORTERS.identity(planned.exporter),
        planned.exporter.processor_facts,
        source.sha256,
        model.source.sha256,
        "" if beside is None else beside.sha256,
        data.calibration.sha256,
        data.validation.sha256,
        limits.model_dump(mode="json"),
        [
            facts[each]
            for each in ("tensorflow", "tf2onnx", "onnx", "onnxruntime", "ai-edge-litert")
        ],
        *task_key(recipe.task),
        *([recipe.settings.run_by] if recipe.settings.run_by else []),
    )

    def make(folder: Path) -> None:
        with TemporaryDirectory(prefix="edgecv-mixed-") as temporary:
            runner = TrialRunner(
                model, planned.exporter, source, limits, control, key, Path(temporary)
            )
            choice = LayerSearch(
                runner,
                planned.exporter.layer_choices,
                is_limited=limits_answers(limits, has_labels=data.has_labels),
            ).choice()
            write_bytes(folder / "choice.json", choice.model_dump_json(indent=2).encode())

    is_stored = context.store.find("mixed", key) is not None
    state = "are stored" if is_stored else "are chosen on the validation images"
    context.emit("export", f"{planned.name}: the precisions of its layers {state}")
    place = context.store.stage("mixed", key, make)
    context.store.forget(key)  # Again, in case a run was killed in between.
    return LayerChoice.model_validate_json((place / "choice.json").read_bytes())
