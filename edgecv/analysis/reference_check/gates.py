"""Gates and notes on one file and its float32 twin, with the likely cause of a fault."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from edgecv.analysis.reference_check.kernel_pairs import (
    Padding,
    Pairing,
    padding_of,
    paired,
)
from edgecv.analysis.reference_check.layer_structure import (
    PairedPoint,
    paired_points,
    structural_causes,
)
from edgecv.analysis.reference_check.precision import claim_of, other_than_claimed
from edgecv.analysis.reference_check.quantization_rules import broken_rules
from edgecv.analysis.reference_check.range_gates import bounds_of, judge_ranges
from edgecv.analysis.reference_check.twin import Reference
from edgecv.analysis.reference_check.twin_ranges import ReferenceRanges
from edgecv.analysis.reference_check.weights import MOST_CAUSES, WeightCheck, judge_weights
from edgecv.core.comparison import Comparison
from edgecv.core.data import Dataset
from edgecv.core.files import open_regular
from edgecv.core.quantization import Stored
from edgecv.core.report import Gate, Outcome
from edgecv.core.text import counted, listed, were
from edgecv.pipeline.measure import MeasuredFile

LABELS = "labels.txt"
LARGEST_LABELS_BYTES = 1_000_000
PRODUCTS = ("MUL", "DIV", "BATCHNORMALIZATION")
SAME_WORK = ("Gemm",)
"""Operators that a quantizer makes from a MatMul and an Add."""


@dataclass(frozen=True)
class ReferenceCheck:
    """Gates on single files, and sentences for the report."""

    gates: tuple[Gate, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class CheckedFile:
    """One file, and everything that it is compared with."""

    file: MeasuredFile
    stored: Stored
    reference: Reference | str
    """The twin, or the reason for having none; empty if no comparison was requested."""
    data: Dataset
    comparison: Comparison | None
    """None if the runtime refuses the file."""

    @property
    def path(self) -> str:
        """The path of the file, as reports name it."""
        return self.file.artifact.path

    @property
    def twin(self) -> Stored | None:
        """The tensors of the twin."""
        return None if isinstance(self.reference, str) else self.reference.stored


def judge(checked: CheckedFile, ranges: Callable[[Padding], ReferenceRanges]) -> ReferenceCheck:
    """Return the gates on a file, and sentences for the report.

    ``ranges`` runs the twin over many images, with the file's values behind the borders: it is
    called only if there are ranges to test.
    """
    path, own, reference = checked.path, checked.stored, checked.reference
    gates, notes = [], []
    points: tuple[PairedPoint, ...] = ()
    has_twins_weights = False
    if isinstance(reference, str):
        if reference:
            notes.append(f"{path}: {reference}, so that its weights were not compared")
    else:
        twin = reference.stored
        pairing = paired(own, twin, reference.twin.names)
        notes += _not_compared(path, own, pairing)
        weights = judge_weights(
            pairing.pairs,
            checked.data.class_names,
            has_other_products=_products(own) != _products(twin),
        )
        has_twins_weights = bool(pairing.pairs) and weights.are_the_twins
        if other := _other_model(weights):
            notes.append(f"{path}: {other}")
        elif pairing.pairs:
            points = paired_points(own, twin, pairing.pairs)
            structure = structural_causes(own, twin, pairing.pairs, points)
            gates.append(_weights_gate(path, weights, structure))
            if structure or not has_twins_weights:
                points = ()
    gates += _rules_gate(checked, points)
    gates += _claim_gate(checked, has_twins_weights=has_twins_weights)
    gates += _labels_gate(checked)
    bounds = bounds_of(points)
    if bounds and checked.twin is not None and checked.comparison is not None:
        seen = ranges(padding_of(own, checked.twin))
        found, more = judge_ranges(path, checked.data, bounds, seen)
        gates += found
        notes += more
    notes += [*_speed_note(checked.comparison), *_operators_note(checked)]
    return ReferenceCheck(tuple(gates), tuple(notes))


def _other_model(weights: WeightCheck) -> str:
    """Return the reason for which weights cannot be judged; empty if they can."""
    if weights.is_folded_otherwise:
        return (
            "batch normalization is folded into other weights than in the float32 twin, or factors"
            " were moved between layers: only its answers were judged; give the float32 file that"
            " it was made from as --baseline to judge its weights too"
        )
    if weights.is_other_training:
        return (
            f"{weights.outside:.0%} of its weights are not those of the baseline; it is of a model"
            " that was trained further, or of another one: only its answers were judged; give the"
            " model that it was exported from as --baseline to judge them too"
        )
    return ""


def _not_compared(path: str, own: Stored, pairing: Pairing) -> list[str]:
    """Return a note on the layers that have no counterpart in the twin."""
    if not pairing.left:
        return []
    if not pairing.pairs:
        return [f"{path} holds other layers than the float32 twin: only its answers were judged"]
    return [
        f"{path}: {len(pairing.left)} of its {counted(len(own.kernels), 'layer')}"
        f" {were(len(pairing.left))} not compared ({listed(pairing.left)}): the float32"
        " twin has no counterpart that could be read"
    ]


def _products(stored: Stored) -> int:
    """Return how often a file multiplies or normalizes outside its kernels."""
    return sum(count for kind, count in stored.operators if kind.upper() in PRODUCTS)


def _weights_gate(path: str, weights: WeightCheck, structure: Sequence[str]) -> Gate:
    causes = (*weights.causes, *structure)
    if not causes:
        return Gate("weights", path, 0.0, 0.0, "passed", "all are the twin's, rounded")
    return Gate("weights", path, 0.0, weights.outside, "failed", _reason(causes))


def _reason(causes: Sequence[str]) -> str:
    more = len(causes) - MOST_CAUSES
    also = [f"and {more} more"] if more > 0 else []
    return "; ".join([*causes[:MOST_CAUSES], *also, "export it again from the baseline"])


def _rules_gate(checked: CheckedFile, points: Sequence[PairedPoint]) -> list[Gate]:
    own = checked.stored
    if not any(kernel.is_quantized for kernel in own.kernels):
        return []
    zeros = [(each.name, each.own) for each in points if each.true.starts_at_zero]
    broken = broken_rules(own, checked.file.artifact.format, zeros)
    path = checked.path
    if not broken:
        return [Gate("quantization", path, 0.0, 0.0, "passed")]
    return [Gate("quantization", path, 0.0, float(len(broken)), "failed", _reason(broken))]


def _claim_gate(checked: CheckedFile, *, has_twins_weights: bool) -> list[Gate]:
    claim = claim_of(checked.file.artifact)
    if claim is None or claim == "float32":
        return []
    other = other_than_claimed(claim, checked.stored, has_twins_weights=has_twins_weights)
    outcome: Outcome = "passed" if other is None else "failed"
    reason = "" if other is None else f"{other}; give the file that was meant, or call it so"
    return [Gate("precision", checked.path, 0.0, float(other is not None), outcome, reason)]


def _labels_gate(checked: CheckedFile) -> list[Gate]:
    """Compare the number of labels beside a file with its outputs, where each of them has a name.

    Boxes, maps, several outputs and numbers that nobody has named have no label for each output.
    """
    beside, comparison = checked.file.path.parent / LABELS, checked.comparison
    if not beside.is_file() or comparison is None or not checked.data.class_names:
        return []
    sides = [side for side in comparison.output.shape[1:] if side != 1]
    if len(sides) > 1 or comparison.further_outputs:
        return []
    with open_regular(beside) as file:
        text = file.read(LARGEST_LABELS_BYTES).decode("utf-8-sig", "replace")
    names = [line for line in text.rstrip().splitlines()]
    outputs = len(checked.data.class_names)
    outcome: Outcome = "passed" if len(names) == outputs else "failed"
    reason = (
        ""
        if outcome == "passed"
        else f"{beside} names {counted(len(names), 'class')}, the file has"
        f" {counted(outputs, 'output')}: it was cut short, or is of another model"
    )
    return [Gate("labels", checked.path, float(outputs), float(len(names)), outcome, reason)]


def _speed_note(comparison: Comparison | None) -> list[str]:
    interval = None if comparison is None else comparison.speedup_interval
    if comparison is None or interval is None or interval[1] >= 1:
        return []
    return [
        f"{comparison.artifact.path} is slower than its float32 twin: {comparison.speedup:.2f}"
        f" times as fast, with 95% confidence below {interval[1]:.2f}"
    ]


def _operators_note(checked: CheckedFile) -> list[str]:
    """Return a note on operators that only the file has: they may make it slower than its twin."""
    if checked.twin is None:
        return []
    true = dict(checked.twin.operators)
    more = {
        kind: count - true.get(kind, 0)
        for kind, count in checked.stored.operators
        if kind not in SAME_WORK and count > true.get(kind, 0)
    }
    if not more:
        return []
    named = [f"{count} {kind}" for kind, count in more.items()]
    return [
        f"{checked.path} runs {counted(sum(more.values()), 'operator')} that its float32 twin does"
        f" not: {', '.join(named[:MOST_CAUSES])}"
    ]
