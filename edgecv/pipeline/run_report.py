"""The report of a run: comparisons, gates, and the files beside it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.costs import Costs
from edgecv.core.data import Outputs, Targets
from edgecv.core.plugins import Task
from edgecv.core.report import Baseline, Report, TrainingCurve, UnlabelledFacts
from edgecv.evaluation.comparison import align_all, compare_all, metric_of
from edgecv.evaluation.control import with_control
from edgecv.evaluation.gates import (
    proof_gates,
    verdict,
)
from edgecv.formats.lookup import runtime_of_file
from edgecv.formats.model_file import model_sha256
from edgecv.pipeline.control import TrainedControl
from edgecv.pipeline.labels_file import LABELS, labels_text
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.recipe.parts import TeacherNetwork
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.rounding_noise import noisy_outputs, steady_gates
from edgecv.pipeline.run_gates import arena_gates, judge, judge_moved, limits_of_device
from edgecv.pipeline.user_models import UserModel
from edgecv.reports.changed_images import write_flips
from edgecv.reports.class_results import model_results, write_pictures
from edgecv.reports.costs import write_widths
from edgecv.reports.curves import CURVES, write_curves
from edgecv.reports.files import write_reports
from edgecv.reports.target_files import target_notes
from edgecv.system.environment import environment
from edgecv.system.memory import peak_memory
from edgecv.system.storage import copy_file, write_bytes
from edgecv.techniques.shrink import Shrink

UNSAFE = re.compile(r"[^A-Za-z0-9._-]")
"""Characters that a name of an output may have, and that of a file should not."""
LONGEST_NAME = 80


@dataclass(frozen=True)
class RunResults:
    """The measurements and findings of a run, before they are compared and judged."""

    measurements: Sequence[Measurement]
    failures: Mapping[str, str]
    """Path -> reason of the files that could not be written or measured."""
    notes: tuple[str, ...]
    costs: Costs | None
    given: Mapping[str, Any]
    """``Recipe.given`` of the recipe that was asked for."""
    control: TrainedControl | None = None
    trainings: tuple[TrainingCurve, ...] = ()
    unlabelled: UnlabelledFacts | None = None


def make_report(model: UserModel, results: RunResults, folder: Path) -> Report:
    """Compare the measurements with the baseline and judge them; write pictures to ``folder``."""
    recipe, data, outputs = model.recipe, model.data, model.reference.outputs
    task = recipe.task
    measurements, unmatched = align_all(results.measurements, outputs)
    compared = compare_all(
        measurements,
        outputs,
        data.test_labels,
        task,
        recipe.settings.threads,
        recipe.gates.margin_points,
    )
    control = results.control
    compared = with_control(
        compared,
        measurements,
        None if control is None else control.outputs,
        data.test_labels,
        task,
        recipe.gates.margin_points,
    )
    comparisons = write_flips(compared, measurements, outputs, data, task, folder)
    candidates = [each for each in comparisons if is_candidate(each, recipe)]
    path = f"baseline{model.original.path.suffix}"
    judged_paths = {each.artifact.path for each in candidates}
    own = [each for each in measurements if each.artifact.path in judged_paths]
    learned = model_results((path, outputs), own, data, task)
    write_pictures(learned, outputs, data, task, folder)
    failures = {**results.failures, **unmatched}
    given = limits_of_device(recipe.gates, measurements)
    limits = given.with_defaults()
    facts = replace(data_facts(data, task), unlabelled=results.unlabelled)
    judged = judge(comparisons, failures, candidates, limits, task, facts)
    twins = {each.artifact.path for each in comparisons if each.is_twin}
    for twin in (each for each in measurements if each.artifact.path in twins):
        pool, place = model.context.measurements, folder / twin.artifact.path
        again = partial(noisy_outputs, pool, place, data.test.images)
        if twin.machine:  # The noise is of this machine.
            here = pool.predict(runtime_of_file(place).name, place, data.test.images)
            twin = replace(twin, outputs=here)
        as_noise = partial(judge_moved, measurements, twin.outputs, limits, task, facts)
        judged = steady_gates(judged, twin.artifact.path, task, again, as_noise)
    gates = [
        *judged,
        *proof_gates(path, outputs, data.test_labels, task),
    ]
    first = task.heads()[0].name
    files = [each for each in comparisons if each.head == first]
    for technique in recipe.techniques:
        gates += technique.gates(files, results.costs)
        if isinstance(technique, Shrink) and technique.arena_bytes:
            gates += arena_gates(technique.arena_bytes, files, folder)
    return Report(
        name=recipe.name,
        recipe={**recipe.table(), "gates": given.model_dump(exclude_none=True)},
        environment=environment(),
        outcome=verdict(gates),
        data=facts,
        baseline=Baseline(
            path=path,
            parameters=model.reference.parameters,
            sha256=_sha256_of(recipe.baseline.model),
            metric=task.headline.name,
            value=metric_of(outputs, data.test_labels, task),
            head_values=head_values(outputs, data.test_labels, task),
            code_sha256=recipe.baseline.own_code.code_sha256(),
            teacher_sha256=_sha256_of(recipe.baseline.teacher),
        ),
        comparisons=comparisons,
        gates=tuple(gates),
        notes=(*recipe.settings.notes, *results.notes, *target_notes(gates, files)),
        costs=results.costs,
        control=None if control is None else control.entry,
        memory=peak_memory(),
        trainings=results.trainings,
        results=learned,
        given=results.given,
    )


def head_values(outputs: Outputs, targets: Targets | None, task: Task) -> dict[str, float | None]:
    """Return the headline metric of each head; nothing where there is one."""
    return {
        head.name: metric_of(head.of(outputs), head.targets(targets), head.task)
        for head in task.heads()
        if head.output
    }


def _sha256_of(model: str | TeacherNetwork | None) -> str:
    """Return the SHA-256 of a model as it was given, "" where it is trained or there is none."""
    return model_sha256(Path(model)) if isinstance(model, str) else ""


def is_candidate(comparison: Comparison, recipe: Recipe) -> bool:
    """Return True if the recipe asks for the file; it may ask for the twin itself."""
    return _is_asked_for(comparison, recipe.table())


def asked_twins(report: Report) -> frozenset[str]:
    """Return the float32 twins of a run that its recipe asks for: they are candidates too."""
    twins = [each for each in report.comparisons if each.is_twin]
    return frozenset(each.artifact.path for each in twins if _is_asked_for(each, report.recipe))


def _is_asked_for(comparison: Comparison, recipe: Mapping[str, Any]) -> bool:
    """Return True if a recipe, as reports hold it, asks for a file."""
    asked = {(each.get("format"), each.get("precision")) for each in recipe.get("export", ())}
    is_asked = (comparison.artifact.format, comparison.artifact.precision) in asked
    return is_asked and not (comparison.is_twin and bool(recipe.get("technique")))


def write_run(
    model: UserModel,
    report: Report,
    compressed: Path,
    folder: Path,
    control: TrainedControl | None = None,
) -> None:
    """Write the files of a run other than its artifacts: models, labels, recipe, report."""
    path = model.original.path
    copy_file(path, folder / f"baseline{path.suffix}")
    if model.recipe.techniques:
        copy_file(compressed, folder / f"compressed{compressed.suffix}")
    if control is not None and control.file is not None:
        copy_file(control.file.path, folder / control.entry.path)
    costs = report.costs
    if costs is not None and costs.baseline != costs.compressed:
        write_widths(costs, folder / "widths.png")
    if report.trainings:
        write_curves(report.trainings, model.recipe.task.curves, folder / CURVES)
    for place, head in enumerate(model.recipe.task.heads()):
        if head.name and (names := head.data(model.data).class_names):
            name = UNSAFE.sub("_", head.name)[:LONGEST_NAME]
            write_bytes(folder / f"labels-{place}-{name}.txt", labels_text(names))
    if model.data.class_names:  # An empty file would say that the model has no outputs.
        write_bytes(folder / LABELS, labels_text(model.data.class_names))
    write_bytes(folder / "recipe.toml", model.recipe.to_toml().encode())
    write_reports(report, folder)
