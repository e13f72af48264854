"""Gates of a run: its limits on each file, for each head, and the checks of every run."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from edgecv.core.comparison import Comparison, Measurement
from edgecv.core.data import Outputs
from edgecv.core.plugins import Task
from edgecv.core.report import DataFacts, Gate
from edgecv.core.text import counted
from edgecv.evaluation.comparison import compare_all
from edgecv.evaluation.gates import (
    NO_LABELS,
    NOT_OF_TASK,
    gates_of_every_run,
    most_gate,
)
from edgecv.evaluation.limit_checks import judge_limits
from edgecv.evaluation.limits import Limits, key_of
from edgecv.evaluation.output_differences import unjudged
from edgecv.system.environment import machine
from edgecv.targets.c.generate import planned_arena

ARENA = "arena_bytes"


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

    A limit of the run holds for the heads that have its figure; one of a head is never left out.
    ``here``: this machine, as ``environment.machine`` calls it.
    """
    gates: list[Gate] = []
    asked = set[Gate]()
    for each in candidates:
        of_head = task.head_called(each.head).limits
        own = limits.model_copy(update=dict(of_head))
        classes = data.head_classes.get(each.head, data.classes)
        found = judge_limits(each, own, classes=classes, machine=here)
        asked |= {gate for gate in found if key_of(gate.name) in of_head}
        gates += [*found, *unjudged_gates(each, own, samples_text(data))]
    known = {(gate.artifact, gate.name) for gate in gates if gate.observed is not None}
    return [
        gate
        for gate in dict.fromkeys(gates)
        if gate in asked or not _is_of_another_head(gate, known)
    ]


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
