"""The report of a run: comparisons, gates, and the files beside it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.costs import Costs
from edgecv.core.data import Outputs, Targets
from edgecv.core.plugins import Task
from edgecv.core.report import Baseline, DataFacts, Gate, Report, TrainingCurve
from edgecv.core.text import counted
from edgecv.evaluation.comparison import align_all, compare_all, metric_of
from edgecv.evaluation.control import with_control
from edgecv.evaluation.gates import (
    NO_LABELS,
    NOT_OF_TASK,
    gates_of_every_run,
    most_gate,
    proof_gates,
    verdict,
)
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits
from edgecv.evaluation.output_differences import unjudged
from edgecv.formats.lookup import runtime_of_file
from edgecv.pipeline.baseline import labels_text
from edgecv.pipeline.control import TrainedControl
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.rounding_noise import noisy_outputs, steady_gates
from edgecv.pipeline.user_models import UserModel
from edgecv.reports.changed_images import write_flips
from edgecv.reports.class_results import model_results, write_pictures
from edgecv.reports.costs import write_widths
from edgecv.reports.curves import CURVES, write_curves
from edgecv.reports.files import write_reports
from edgecv.system.environment import environment, machine
from edgecv.system.memory import peak_memory
from edgecv.system.storage import copy_file, tree_sha256, write_bytes
from edgecv.targets.c.generate import planned_arena
from edgecv.techniques.shrink import Shrink

ARENA = "arena_bytes"


@dataclass(frozen=True)
class RunResults:
    """The measurements and findings of a run, before they are compared and judged."""

    measurements: Sequence[Measurement]
    failures: Mapping[str, str]
    """Path -> reason of the files that could not be written or measured."""
    notes: tuple[str, ...]
    costs: Costs | None
    control: TrainedControl | None = None
    trainings: tuple[TrainingCurve, ...] = ()


def judge(
    comparisons: Sequence[Comparison],
    failures: Mapping[str, str],
    candidates: Sequence[Comparison],
    limits: Limits,
    task: Task,
    data: DataFacts,
) -> list[Gate]:
    """Return the gates: failed measurements, checks of conversions, limits on candidates."""
    gates = gates_of_every_run(comparisons, failures, task)
    return gates + limit_gates(candidates, limits, task, data, machine())


def limits_of_device(limits: Limits, measurements: Sequence[Measurement]) -> Limits:
    """Return the limits with the one on time meant for the device that has measured, if any has."""
    machine = next((each.machine for each in measurements if each.machine), "")
    return limits.meant_for(machine) if machine else limits


def judge_moved(
    measurements: Sequence[Measurement],
    reference: Outputs,
    limits: Limits,
    task: Task,
    data: DataFacts,
    moved: Outputs,
) -> list[Gate]:
    """Return the gates of ``moved`` outputs of the reference, as if each file had given these."""
    given = [replace(each, outputs=moved, blocks_ns=None) for each in measurements]
    compared = compare_all(given, reference, None, task, threads=1)
    return judge(compared, {}, compared, limits, task, data)


def limit_gates(
    candidates: Sequence[Comparison], limits: Limits, task: Task, data: DataFacts, here: str
) -> list[Gate]:
    """Return the gates of the limits on each head of each candidate, once for what is of the file.

    ``here``: this machine, as ``environment.machine`` calls it.
    """
    gates: list[Gate] = []
    for each in candidates:
        own = limits.model_copy(update=dict(task.head_called(each.head).limits))
        classes = data.head_classes.get(each.head, data.classes)
        gates += judge_limits(each, own, classes=classes, machine=here)
        gates += unjudged_gates(each, own, samples_text(data))
    known = {(gate.artifact, gate.name) for gate in gates if gate.observed is not None}
    return [gate for gate in dict.fromkeys(gates) if not _is_of_another_head(gate, known)]


def _is_of_another_head(gate: Gate, known: Collection[tuple[str, str]]) -> bool:
    """Return True for a limit on a figure that another head has, and this one cannot have."""
    is_missing = gate.observed is None and gate.reason in (NO_LABELS, NOT_OF_TASK)
    return bool(gate.head) and is_missing and (gate.artifact, gate.name) in known


def samples_text(data: DataFacts) -> str:
    """Return the number of samples and what they are."""
    return f"{counted(data.splits['test'].images, 'sample')} of {data.name}"


def unjudged_gates(comparison: Comparison, limits: Limits, samples: str) -> list[Gate]:
    """Return the gate of numbers that differ from the baseline's where no limit judges them."""
    found = comparison.output_differences
    if limits.judges_numbers or not any(each.largest for each in found):
        return []
    return [replace(unjudged(comparison.artifact.path, found, samples), head=comparison.head)]


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
    limits, facts = given.with_defaults(), data_facts(data, task)
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
            sha256=_sha256_of(recipe),
            metric=task.headline.name,
            value=metric_of(outputs, data.test_labels, task),
            head_values=head_values(outputs, data.test_labels, task),
        ),
        comparisons=comparisons,
        gates=tuple(gates),
        notes=(*recipe.settings.notes, *results.notes),
        costs=results.costs,
        control=None if control is None else control.entry,
        memory=peak_memory(),
        trainings=results.trainings,
        results=learned,
    )


def arena_gates(most: int, files: Sequence[Comparison], folder: Path) -> list[Gate]:
    """Return the gates on the memory of int8 files as plain C."""
    gates = []
    for each in files:
        artifact = each.artifact
        if not each.is_twin and (artifact.format, artifact.precision) == ("tflite", "int8"):
            plan = planned_arena(folder / artifact.path)
            if plan is None:
                reason = "plain C lacks an operator of the file: its memory is not known"
                gates.append(Gate(ARENA, artifact.path, most, None, "inconclusive", reason))
            else:
                gates.append(most_gate(ARENA, artifact.path, most, plan.arena))
    return gates


def head_values(outputs: Outputs, targets: Targets | None, task: Task) -> dict[str, float | None]:
    """Return the headline metric of each head; nothing where there is one."""
    return {
        head.name: metric_of(head.of(outputs), head.targets(targets), head.task)
        for head in task.heads()
        if head.output
    }


def _sha256_of(recipe: Recipe) -> str:
    """Return the SHA-256 of the model as it was given, "" where it is trained."""
    model = recipe.baseline.model
    return "" if model is None else tree_sha256(Path(model))


def is_candidate(comparison: Comparison, recipe: Recipe) -> bool:
    """Return True if the recipe asks for the file; it may ask for the twin itself."""
    asked = {(exporter.format, exporter.precision) for exporter in recipe.exports}
    is_asked = (comparison.artifact.format, comparison.artifact.precision) in asked
    return is_asked and not (comparison.is_twin and bool(recipe.techniques))


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
    write_bytes(folder / "labels.txt", labels_text(model.data.class_names))
    write_bytes(folder / "recipe.toml", model.recipe.to_toml().encode())
    write_reports(report, folder)
