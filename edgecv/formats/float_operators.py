"""The operators that join float layers of a mixed file alone: they stay float too."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class OperatorTensors:
    """The tensors of one operator that change with the image, by any unique keys."""

    taken: frozenset[str]
    given: frozenset[str]


def between(
    operators: Sequence[OperatorTensors],
    kernels: Collection[int],
    floats: Collection[int],
    ends: Collection[str],
) -> list[int]:
    """Return the numbers of the operators without a kernel that join float layers alone.

    ``kernels``, ``floats``: numbers of the operators with a kernel, and of those that stay float;
    ``ends``: the inputs and outputs of the network, which stay integers.

    >>> chain = [OperatorTensors(frozenset(x), frozenset(y)) for x, y in ("ab", "bc", "cd", "de")]
    >>> between(chain, kernels=[0, 2], floats=[0, 2], ends="ae")
    [1]
    >>> between(chain, kernels=[0, 2], floats=[0], ends="ae")
    []
    """
    left = [number for number in range(len(operators)) if number not in kernels]
    while True:
        inside = {*left, *floats}
        made = {key for number in inside for key in operators[number].given}
        others = {
            key
            for number, each in enumerate(operators)
            if number not in inside
            for key in each.taken
        }
        kept = [
            number
            for number in left
            if operators[number].taken <= made.difference(ends)
            and not operators[number].given & others.union(ends)
        ]
        if len(kept) == len(left):
            return kept
        left = kept
