"""Comparison of a file's weights with its twin's: equal but for rounding, or different."""

from collections.abc import Sequence
from dataclasses import dataclass

from edgecv.analysis.reference_check.causes import FLIPPED, Cause, cause_of
from edgecv.analysis.reference_check.kernel_pairs import KernelPair
from edgecv.core.text import counted

MOST_CAUSES = 3


@dataclass(frozen=True)
class WeightCheck:
    """The share of weights that differ, and the causes."""

    outside: float
    causes: tuple[str, ...]
    is_other_training: bool
    """True if most kernels are entirely different: weights cannot be judged then."""
    is_folded_otherwise: bool = False
    """True if batch normalization is folded elsewhere than in the twin: the same holds."""

    @property
    def are_the_twins(self) -> bool:
        """True if every weight is the twin's, rounded."""
        return not self.causes and not self.is_other_training and not self.is_folded_otherwise


def judge_weights(
    pairs: Sequence[KernelPair], classes: Sequence[str], *, has_other_products: bool = False
) -> WeightCheck:
    """Compare every kernel with the twin's.

    ``has_other_products``: True if the file multiplies more or less often than the twin. One kernel
    with factors of its own, and nothing that takes them back, is not folded but wrong.
    """
    causes = [cause for pair in pairs if (cause := cause_of(pair, classes)) is not None]
    whole = [cause for cause in causes if cause.is_whole]
    count = sum(pair.off.size + pair.bias_off.size for pair in pairs)
    off = sum(int(pair.off.sum()) + int(pair.bias_off.sum()) for pair in pairs)
    is_other = 2 * len(whole) > len(pairs)
    is_folded = any(each.is_folded for each in causes) and (has_other_products or len(causes) > 1)
    texts = _texts(causes)
    return WeightCheck(off / max(1, count), texts, is_other, is_folded)


def _texts(causes: Sequence[Cause]) -> tuple[str, ...]:
    """Return the causes as text; weights that were flipped in several kernels are one."""
    flipped = sorted(each.flipped for each in causes if each.flipped is not None)
    if len(flipped) < 2:
        ordered = sorted(causes, key=lambda each: each.flipped is not None)
        return tuple(each.text for each in ordered)
    ends = [f"{end:g}" for end in dict.fromkeys((flipped[0], flipped[-1]))]
    layers = counted(len(flipped), "layer")
    joined = f"{' to '.join(ends)}% of the weights of {layers} are others: {FLIPPED}"
    return (joined, *(each.text for each in causes if each.flipped is None))
