"""A run: data, baseline, techniques, exports, measurements, report."""

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from shlex import quote

from edgecv.core.data import Dataset
from edgecv.core.events import OnEvent, ignore_event
from edgecv.core.report import Report, TrainingCurve
from edgecv.models.training.augmentation import check_schedule
from edgecv.pipeline.apply_techniques import TechniqueRunner
from edgecv.pipeline.baseline import planned_label
from edgecv.pipeline.context import RunContext, open_run
from edgecv.pipeline.control import ControlRunner
from edgecv.pipeline.export import (
    RunExports,
    calibration_notes,
    check_calibration,
    check_promises,
    format_notes,
    planned_exports,
)
from edgecv.pipeline.judge_again import judge_again
from edgecv.pipeline.logged_results import results_of_run, results_of_training
from edgecv.pipeline.measured_training import measured_training
from edgecv.pipeline.mixed import check_mixed, with_chosen_layers
from edgecv.pipeline.recipe.checks import check_devices, check_is_trained, check_limits
from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.run_checks import check_recipe, check_schedules, check_techniques, preflight
from edgecv.pipeline.run_logs import RunLogs, logged_run
from edgecv.pipeline.run_report import RunResults, make_report, write_run
from edgecv.pipeline.stored_training import Training, stored_training
from edgecv.pipeline.teacher import RunTeacher
from edgecv.pipeline.user_models import UserModel, open_user_model
from edgecv.pipeline.user_models.trained import TrainedModel
from edgecv.system.storage import Store, copy_file

Check = Callable[[Dataset], None]


def no_check(data: Dataset) -> None:
    """Accept all data."""


def run(
    recipe: Recipe,
    store: Store,
    *,
    force: bool = False,
    on_event: OnEvent = ignore_event,
    log: Path | None = None,
    check: Check = no_check,
) -> Report:
    """Run a recipe and write ``exported/<name>/``.

    Raises InputError, before anything is written, for a recipe that cannot be run, StepError if a
    step fails. A failed gate is not an error: it is the outcome of the report.
    ``check`` raises InputError for data that the caller cannot use.
    """
    with open_run(store, recipe.settings, on_event, log) as context:
        return compress(recipe, context, force=force, check=check)


def train(recipe: Recipe, store: Store, on_event: OnEvent = ignore_event) -> Training:
    """Train the recipe's baseline unless it is stored, and measure it on the test images."""
    store.check_writable()
    check_is_trained(recipe.baseline, recipe.name)
    TrainedModel.check(recipe)
    check_devices(recipe.baseline, recipe.schedule, alone=True)
    run = logged_run(recipe, planned_label(recipe), store)
    with (
        RunLogs(recipe.logs, run, on_event) as logs,
        open_run(store, recipe.settings, logs.on_event) as context,
    ):
        check_schedule(recipe.schedule, recipe.task, "[baseline.training]")
        model = TrainedModel.open(recipe, context)
        training = measured_training(model)
        curve = TrainingCurve("baseline", training.history)
        logs.finish(
            results_of_training(training),
            [curve],
            lambda log: f"the same command with --log {log} sends it, and trains nothing again",
        )
    return training


def compress(
    recipe: Recipe, context: RunContext, *, force: bool = False, check: Check = no_check
) -> Report:
    """Run a recipe in a context that the caller has opened: see ``run``."""
    check_recipe(recipe)
    run = logged_run(recipe, recipe.name, context.store)
    with RunLogs(recipe.logs, run, context.on_event) as logs:
        logged = replace(context, on_event=logs.on_event)
        report = _compress(recipe.replace(logs=()), logged, force=force, check=check)
        folder = context.store.run_folder(recipe.name)
        logs.finish(
            results_of_run(report, folder),
            report.trainings,
            lambda log: f"edgecv log {quote(str(folder))} --to {log} sends it",
        )
    return report


def _compress(recipe: Recipe, context: RunContext, *, force: bool, check: Check) -> Report:
    stored = None if force else judge_again(recipe, context)
    if stored is not None:
        return stored
    place = preflight(recipe, context.store, force)
    context.measurements.reach_device([exporter.format for exporter in recipe.exports])
    model = open_user_model(recipe, context)
    check(model.data)
    check_limits(model.data, recipe.gates, "[gates]")
    check_calibration(recipe, model.data)
    check_mixed(recipe, model.data)
    check_schedules(model.recipe)
    with _custom_objects(recipe):
        check_techniques(model)
        teacher = RunTeacher(model)
        teacher.open()
        with context.store.writing(place, replace=force) as folder:
            return _write(model, teacher, folder, context, recipe)


def _write(
    model: UserModel,
    teacher: RunTeacher,
    folder: Path,
    context: RunContext,
    asked: Recipe,
) -> Report:
    """Perform the steps of a run, from the baseline's predictions to the report."""
    recipe, data = model.recipe, model.data
    context.measurements.start([exporter.format for exporter in recipe.exports])
    warnings = model.warnings(model.reference)
    control = ControlRunner(model, context)
    control.announce()
    applied = TechniqueRunner(model, context, teacher).apply()
    trained_on = control.make({each.name for each in applied.trainings})
    unwritable = format_notes(recipe)
    for note in unwritable:
        context.emit("note", note)
    costs, unknown_costs = model.costs(applied.plain)
    exports = RunExports(data, folder, context)
    planned, chosen = with_chosen_layers(
        planned_exports(recipe, applied.shared_kernels), model, applied.file, trained_on, context
    )
    # What techniques trained has weights of its own: ranges of before do not fit them.
    quantized = None if recipe.techniques else model.quantized
    files, unwritten = exports.export_all(planned, model.source, applied.file, quantized)
    checked = check_promises(recipe, files)
    measurements, unmeasured = context.measurements.measure(files, data.test.images)
    notes = (
        *model.notes,
        *warnings,
        *unknown_costs,
        *applied.notes,
        *chosen,
        *checked,
        *calibration_notes(recipe, data),
        *unwritable,
    )
    trainings = (*first_trainings(model, teacher), *applied.trainings)
    if trained_on is not None and trained_on.training is not None:
        trainings = (*trainings, trained_on.training)
    failures, further = unwritten | unmeasured, teacher.unlabelled_facts
    results = RunResults(
        measurements, failures, notes, costs, asked.given, trained_on, trainings, further
    )
    report = make_report(model, results, folder)
    write_run(model, report, applied.file.path, folder, trained_on)
    if context.log is not None:
        copy_file(context.log, folder / "log.txt")
    return report


def first_trainings(model: UserModel, teacher: RunTeacher) -> tuple[TrainingCurve, ...]:
    """Return the trainings of the baseline and of the teacher, where the run has trained them."""
    recipe = model.recipe.baseline
    files = {"baseline": model.original} if recipe.model is None else {}
    if isinstance(recipe.teacher, TeacherNetwork):
        files["teacher"] = teacher.file
    return tuple(
        TrainingCurve(name, stored_training(file.path.parent).history)
        for name, file in files.items()
    )


def _custom_objects(recipe: Recipe) -> AbstractContextManager[None]:
    """Return a scope with the user's own layers, if this process trains the model."""
    return recipe.baseline.trusted.scope() if recipe.techniques else nullcontext()
