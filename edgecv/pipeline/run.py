"""One run: data -> baseline -> exports -> measurements -> gates -> report."""

import os
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource
from edgecv.core.records import (
    SPLITS,
    Baseline,
    Comparison,
    Costs,
    DataFacts,
    Dataset,
    Event,
    Gate,
    Measurement,
    Report,
    Shape,
    SplitFacts,
)
from edgecv.datasets.class_order import check_order
from edgecv.evaluation.comparison import compare_all, metric_of
from edgecv.evaluation.gates import conversion_gate, failed_file, verdict
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.formats.model_file import ModelFile
from edgecv.pipeline import baseline as baselines
from edgecv.pipeline.apply_techniques import TechniqueRunner
from edgecv.pipeline.baseline import BaselinePredictions
from edgecv.pipeline.conversion import Converter, open_converter
from edgecv.pipeline.export import (
    RunExports,
    calibration_notes,
    check_calibration,
    check_promises,
    planned_exports,
)
from edgecv.pipeline.measure import measurement_pool
from edgecv.pipeline.model_costs import costs_of
from edgecv.pipeline.recipe.recipe import Recipe, check_limits
from edgecv.pipeline.user_model import KerasUserModel, adopt, hint, preprocessing_by_statistics
from edgecv.pipeline.user_onnx_model import OnnxUserModel, adopt_onnx, check_recipe, is_onnx
from edgecv.reports.changed_images import write_flips
from edgecv.reports.costs import write_widths
from edgecv.reports.json_file import write_report
from edgecv.reports.markdown import to_markdown
from edgecv.system.environment import environment, machine
from edgecv.system.isolation import check_hdf5
from edgecv.system.storage import SPACE_BYTES, Store, bytes_of, copy_file, write_bytes

OnEvent = Callable[[Event], None]
COPIES_OF_A_MODEL = 12
"""Files of its size at the most: finished steps, a checkpoint with the optimizer's, exports."""


def run(
    recipe: Recipe,
    store: Store,
    *,
    force: bool = False,
    on_event: OnEvent = lambda event: None,
    log: Path | None = None,
) -> Report:
    """Do what the recipe says and write ``exported/<name>/``.

    Raises InputError before anything is written where the recipe cannot be done, StepError where
    a step fails. A gate that fails is not an error: it is the report's outcome.
    """
    with open_converter(log) as converter:
        return _run(recipe, store, converter, force=force, on_event=on_event, log=log)


def _run(
    recipe: Recipe,
    store: Store,
    converter: Converter,
    *,
    force: bool,
    on_event: OnEvent,
    log: Path | None,
) -> Report:
    place = preflight(recipe, store, force)
    recipe, data, adopted = _inputs(recipe, store, converter, on_event)
    check_limits(data, recipe.gates, "[gates]")
    check_calibration(recipe, data)
    with _scope(recipe):
        check_techniques(recipe, data, adopted)
    with (
        _scope(recipe),
        store.writing(place, replace=force) as folder,
        measurement_pool(recipe.settings.threads, log) as tests,
    ):
        tests.start([exporter.format for exporter in recipe.exports])
        original, model, notes = _baseline(recipe, data, adopted, store, on_event)
        if isinstance(adopted, OnnxUserModel):
            source, reference = adopted.adapted(store, converter)
        else:
            source = original
            reference = baselines.reference(original, converter.predict, data.test, store)
        notes += _doubts(recipe, data, adopted, reference)
        techniques = TechniqueRunner(recipe, data, source, model, store, tests, converter, on_event)
        applied = techniques.apply()
        costs = None
        if not is_onnx(recipe):
            costs, unknown = costs_of(source, applied.plain, store, converter)
            notes += unknown
        notes += applied.notes
        exporting = RunExports(data, store, folder, converter, on_event)
        files, unwritten = exporting.export_all(planned_exports(recipe), source, applied.file)
        notes += check_promises(recipe, files)
        measurements, unmeasured = tests.measure(files, data.test.images, on_event)
        measured = measurements, unwritten | unmeasured
        notes += calibration_notes(recipe, data)
        report = _report(recipe, data, original, reference, *measured, notes, costs, folder)
        copy_file(original.path, folder / f"baseline{original.path.suffix}")
        if recipe.techniques:
            path = applied.file.path
            copy_file(path, folder / f"compressed{path.suffix}")
        if costs is not None and costs.baseline != costs.compressed:
            write_widths(costs, folder / "widths.png")
        write_bytes(folder / "labels.txt", baselines.labels_text(data.class_names))
        write_bytes(folder / "recipe.toml", recipe.to_toml().encode())
        write_report(report, folder / "report.json")
        write_bytes(folder / "report.md", to_markdown(report).encode())
        if log is not None:
            copy_file(log, folder / "log.txt")
    return report


def _scope(recipe: Recipe) -> AbstractContextManager[None]:
    """Allow what is trusted in this process, where it trains the model on."""
    return recipe.baseline.trusted.scope() if recipe.techniques else nullcontext()


def train(recipe: Recipe, store: Store, on_event: OnEvent = lambda event: None) -> Path:
    """Train the recipe's baseline if it is not stored yet; return its folder."""
    store.check_writable()
    data = load_data(recipe, recipe.baseline.input_shape, on_event)
    return baselines.obtain(recipe, data, store, on_event).path.parent


def preflight(recipe: Recipe, store: Store, force: bool) -> Path:
    """Check, in no time, what would otherwise fail late. Returns the run's folder."""
    model_bytes = check_model(recipe)
    place = store.run_folder(recipe.name)
    if os.path.lexists(place) and not force:
        raise InputError(
            str(place), "exists already", remedy="give --force to replace it, or another --name"
        )
    if os.path.lexists(place) and not (place / "manifest.json").exists():
        raise InputError(
            str(place), "is not a run of edgecv: it is not replaced", remedy="use another --name"
        )
    store.check_writable(SPACE_BYTES + COPIES_OF_A_MODEL * model_bytes)
    if recipe.baseline.model is not None:
        check_hdf5(Path(recipe.baseline.model))
    return place


def check_techniques(
    recipe: Recipe, data: Dataset, adopted: KerasUserModel | OnnxUserModel | None
) -> None:
    """Raise InputError where a technique does not fit the model: before anything is trained."""
    from edgecv.models.softmax import separate_softmax

    if not recipe.techniques:
        return
    if isinstance(adopted, KerasUserModel):
        model = adopted.model
    else:
        shape = recipe.baseline.input_shape
        model = recipe.architecture.build(shape, len(data.class_names))
    separate = separate_softmax(model)
    for technique in recipe.techniques:
        technique.check_model(separate)


def check_model(recipe: Recipe) -> int:
    """Return the bytes of the model file that the recipe names, 0 where it names none.

    Raises InputError where it is not there: no TensorFlow.
    """
    baseline = recipe.baseline
    if baseline.model is None:
        return 0
    path = Path(baseline.model)
    if is_onnx(recipe):
        check_recipe(recipe)
    else:
        baselines.check_model_file(path, baseline.trusted, recipe.techniques)
    return bytes_of(path)


def load_data(recipe: Recipe, shape: Shape, on_event: OnEvent) -> Dataset:
    """Load and split the recipe's data for images of ``shape``."""
    return load_source(recipe.data, shape, recipe.settings.seed, on_event)


def load_source(source: DatasetSource, shape: Shape, seed: int, on_event: OnEvent) -> Dataset:
    """Load and split a data set for images of ``shape``, with progress.

    Raises InputError where there is nothing to report on.
    """
    on_event(Event("data", "reading the data"))

    def progress(done: int, total: int) -> None:
        on_event(Event("data", "reading images", done, total))

    data = source.load(shape, seed, progress)
    counts = ", ".join(f"{name} {len(data.split(name)):,}" for name in SPLITS)
    on_event(Event("data", f"{data.name}: {counts}"))
    for note in data.notes:
        on_event(Event("note", note))
    if not len(data.test):
        raise InputError(data.name, "has no test images", remedy="put some under test/")
    return data


def data_facts(data: Dataset) -> DataFacts:
    """Return what the report says of the data."""
    splits = {name: SplitFacts(len(data.split(name)), data.split(name).sha256) for name in SPLITS}
    return DataFacts(data.name, data.class_names, splits, data.notes, data.has_labels)


def judge(
    comparisons: Sequence[Comparison],
    failures: dict[str, str],
    recipe: Recipe,
    classes: Sequence[str],
) -> list[Gate]:
    """Hold every comparison against the limits."""
    gates = [failed_file(path, reason) for path, reason in failures.items()]
    gates += [conversion_gate(each) for each in comparisons if each.is_twin]
    asked = {(exporter.format, exporter.precision) for exporter in recipe.exports}
    for each in comparisons:
        is_asked = (each.artifact.format, each.artifact.precision) in asked
        if is_asked and not (each.is_twin and recipe.techniques):
            gates += judge_limits(each, recipe.gates, classes=classes, machine=machine())
    return gates


def _inputs(
    recipe: Recipe, store: Store, converter: Converter, on_event: OnEvent
) -> tuple[Recipe, Dataset, KerasUserModel | OnnxUserModel | None]:
    """Load the data, for the size of the user's model where one is given, and check both.

    Returns the recipe with the preprocessing that was found, where none was given.
    """
    if recipe.baseline.model is None:
        return recipe, load_data(recipe, recipe.baseline.input_shape, on_event), None
    path, asked, trust = (
        Path(recipe.baseline.model),
        recipe.baseline.preprocess,
        recipe.baseline.trusted,
    )
    on_event(Event("baseline", f"opening the model {path}"))
    if is_onnx(recipe):
        data, foreign = adopt_onnx(recipe, lambda shape: load_data(recipe, shape, on_event))
        for note in foreign.notes:
            on_event(Event("note", note))
        return recipe, data, foreign
    adopted = adopt(path, asked, store, converter, trust)
    data = load_data(recipe, adopted.shape, on_event)
    if (
        asked is None
        and not data.has_labels
        and (told := preprocessing_by_statistics(adopted, data))
    ):
        found, reason = told
        adopted = adopt(path, found, store, converter, trust)
        facts = adopted.facts.model_copy(update={"notes": (reason, *adopted.notes)})
        adopted = replace(adopted, facts=facts)
        baseline = recipe.baseline.model_copy(update={"preprocess": found})
        recipe = recipe.replace(baseline=baseline)
    for note in adopted.notes:
        on_event(Event("note", note))
    return recipe, adopted.fitted(data, recipe.baseline.labels), adopted


def _baseline(
    recipe: Recipe,
    data: Dataset,
    adopted: KerasUserModel | OnnxUserModel | None,
    store: Store,
    on_event: OnEvent,
) -> tuple[ModelFile, Callable[[], Any], tuple[str, ...]]:
    """Return the baseline's file, a way to load it, and sentences for the report."""
    if adopted is None:
        trained = baselines.obtain(recipe, data, store, on_event)
        return trained, cache(trained.load), ()
    if isinstance(adopted, OnnxUserModel):
        original = adopted.keep()
        return original, original.load, adopted.notes
    return adopted.keep(store), lambda: adopted.model, adopted.notes


def _doubts(
    recipe: Recipe,
    data: Dataset,
    adopted: KerasUserModel | OnnxUserModel | None,
    reference: BaselinePredictions,
) -> tuple[str, ...]:
    """Say what other pixels would give, where a user's model is hardly better than guessing, and
    where another order of its outputs would be right more often."""
    if adopted is None or not data.has_labels:
        return ()
    value = recipe.task.metric(reference.predictions, data.test.labels)
    where = str(adopted.path)
    found = [check_order(reference.predictions, data.test.labels, data.class_names, where)]
    if isinstance(adopted, KerasUserModel):  # Of an ONNX file it was seen when that was run.
        found.append(hint(adopted, data, recipe.task, value))
    return tuple(each for each in found if each is not None)


def _report(
    recipe: Recipe,
    data: Dataset,
    original: ModelFile,
    reference: BaselinePredictions,
    measurements: Sequence[Measurement],
    failures: dict[str, str],
    notes: tuple[str, ...],
    costs: Costs | None,
    folder: Path,
) -> Report:
    compared = compare_all(
        measurements,
        reference.predictions,
        data.test_labels,
        recipe.task,
        recipe.settings.threads,
        recipe.gates.margin_points,
    )
    comparisons = write_flips(compared, measurements, reference.predictions, data, folder)
    gates = judge(comparisons, failures, recipe, data.class_names)
    for technique in recipe.techniques:
        gates += technique.gates(comparisons, costs)
    return Report(
        name=recipe.name,
        recipe=recipe.table(),
        environment=environment(),
        outcome=verdict(gates),
        data=data_facts(data),
        baseline=Baseline(
            path=f"baseline{original.path.suffix}",
            parameters=reference.parameters,
            metric=type(recipe.task).metric_name,
            value=metric_of(reference.predictions, data.test_labels, recipe.task),
        ),
        comparisons=comparisons,
        gates=tuple(gates),
        notes=notes,
        costs=costs,
    )
