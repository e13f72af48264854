"""Layers of a file that are compared with those of its reference, found by their weights."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecv.analysis.described_files import RETRAINED
from edgecv.analysis.doctor.records import Finding
from edgecv.analysis.doctor.run_files import retrained_in
from edgecv.analysis.reference_check.kernel_pairs import paired
from edgecv.analysis.reference_check.weights import judge_weights
from edgecv.core.quantization import Stored
from edgecv.core.text import counted, listed


@dataclass(frozen=True)
class ComparedLayers:
    """Pairs of layers, and the reason for which they may not be compared."""

    pairs: tuple[tuple[str, str, str], ...]
    """For each layer its output in the file, its output in the reference, and its Keras name."""
    left: tuple[str, ...]
    """The layers of the file that have no counterpart, or its channels in another order."""
    is_other_model: bool
    """True if most weights are others: errors of layers would not be those of the file."""
    outside: float
    """The share of weights that differ by more than rounding."""


def compared_layers(own: Stored, reference: Stored, names: Sequence[str]) -> ComparedLayers:
    """Pair the layers of two files. ``names``: the layers' names in the reference's order."""
    pairing = paired(own, reference, names)
    found = judge_weights(pairing.pairs, ())
    is_named = len(names) == len(reference.kernels)
    pairs = tuple(
        (
            own.kernels[pair.number].output,
            reference.kernels[pair.place].output,
            pair.name if is_named else "",
        )
        for pair in pairing.pairs
        if not pair.is_reordered
    )
    moved = tuple(pair.name for pair in pairing.pairs if pair.is_reordered)
    is_other = found.is_other_training and len(pairs) > 1
    return ComparedLayers(pairs, (*pairing.left, *moved), is_other, found.outside)


def other_weights(path: Path, compared: ComparedLayers) -> Finding:
    """Return the finding for a file of a model that was trained further, or of another one."""
    names = retrained_in(path.parent) or f"{' or '.join(RETRAINED)} in the folder of its run"
    return Finding(
        "other-weights",
        "warning",
        str(path),
        f"{compared.outside:.0%} of its weights are not those of the baseline: it is of a model"
        " that was trained further, or of another one, and its layers were not compared",
        f"give the float model that it was exported from as --baseline ({names})",
    )


def nothing_in_common(reference: Path) -> Finding:
    """Return the finding for a reference none of whose layers with weights is one of the file."""
    return Finding(
        "no-reference",
        "warning",
        str(reference),
        "layers were not compared: it has no layer with weights in common with the file",
        "give the model that the file was made of as --baseline",
    )


def left_layers(compared: ComparedLayers) -> Iterator[Finding]:
    """Find layers that have no counterpart."""
    if compared.left:
        yield Finding(
            "not-compared",
            "note",
            listed(compared.left),
            f"{len(compared.left)} of its"
            f" {counted(len(compared.left) + len(compared.pairs), 'layer')} have no counterpart in"
            " the baseline that could be read, or its channels in another order: they were not"
            " compared",
        )
