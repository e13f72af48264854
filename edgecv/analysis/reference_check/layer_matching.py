"""Layers of a file matched with those of its float32 reference, by weights and by structure.

A converter gives other names, another order of branches and other shapes to the same layers: names
decide nothing here. What has no counterpart stays unmatched.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Floats, Kernel

ALIKE = 0.9
"""Similarity from which two kernels are taken for one: unrelated ones have less."""
NEIGHBOURS = 0.3
"""Weight of the neighbours beside the similarity of the weights."""
IN_ORDER = 1e-3
"""The loss of similarity that is accepted to match kernels in their order."""
SMALLEST = 1e-30
TRANSPOSE = ("TRANSPOSE", "Transpose")
ROUNDS = 2

Arrange = Callable[[Floats], Floats]


@dataclass(frozen=True)
class Match:
    """A kernel of a file and its counterpart: numbers in both files."""

    own: int
    true: int
    similarity: float
    arrange: Arrange
    """The function that turns weights of the file into the reference's layout."""


def match_layers(own: Sequence[Kernel], true: Sequence[Kernel]) -> list[Match]:
    """Return the kernels that are in both files, in the order of the file."""
    found: dict[int, Match] = {}
    groups = _groups(own, true)
    similar = {key: _similarities(own, true, *group) for key, group in groups.items()}
    for _ in range(ROUNDS):
        known = {each.own: each.true for each in found.values() if each.similarity >= ALIKE}
        agreement = _Neighbours(own, true, known)
        found = {}
        for key, (mine, yours) in groups.items():
            for each in _assigned(mine, yours, *similar[key], agreement):
                found[each.own] = each
    return [found[number] for number in sorted(found)]


def nearest(kernels: Sequence[Kernel], kept: Mapping[int, object]) -> list[frozenset[int]]:
    """Return for each kernel the nearest ones before it among those that are kept."""
    found: list[frozenset[int]] = []
    for kernel in kernels:
        reached: set[int] = set()
        for number in kernel.inputs:
            if number in kept:
                reached.add(number)
            elif number < len(found):
                reached |= found[number]
        found.append(frozenset(reached))
    return found


def _groups(
    own: Sequence[Kernel], true: Sequence[Kernel]
) -> dict[tuple[int, int], tuple[list[int], list[int]]]:
    """Return the numbers of kernels that may be one layer: as many outputs, as many weights."""
    found: dict[tuple[int, int], tuple[list[int], list[int]]] = {}
    for side, kernels in enumerate((own, true)):
        for number, each in enumerate(kernels):
            found.setdefault((len(each.values), each.values.size), ([], []))[side].append(number)
    return {key: group for key, group in found.items() if all(group)}


def _similarities(
    own: Sequence[Kernel], true: Sequence[Kernel], mine: Sequence[int], yours: Sequence[int]
) -> tuple[NDArray[np.float64], list[list[Arrange]]]:
    """Return the similarity of each pair, and the layout in which it is largest."""
    found = np.zeros((len(mine), len(yours)))
    layouts: list[list[Arrange]] = []
    for row, a in enumerate(mine):
        layouts.append([])
        for column, b in enumerate(yours):
            best: tuple[float, Arrange] = (-1.0, _as_it_is)
            for arrange in _layouts(own, true, a, b):
                alike = similarity(arrange(own[a].values), true[b].values)
                if alike > best[0] + IN_ORDER:
                    best = (alike, arrange)
            found[row, column] = best[0]
            layouts[-1].append(best[1])
    return found, layouts


def similarity(first: Floats, second: Floats) -> float:
    """Return the mean cosine of outputs, whatever the factor of each: 1 if they are the same."""
    a, b = (np.nan_to_num(each).reshape(len(each), -1) for each in (first, second))
    dots = np.abs(np.einsum("ok,ok->o", a, b, dtype=np.float64))
    norms = [np.sqrt(np.einsum("ok,ok->o", each, each, dtype=np.float64)) for each in (a, b)]
    is_empty = (norms[0] <= SMALLEST) & (norms[1] <= SMALLEST)
    return float(np.mean(np.where(is_empty, 1.0, dots / np.maximum(norms[0] * norms[1], SMALLEST))))


def _layouts(own: Sequence[Kernel], true: Sequence[Kernel], a: int, b: int) -> list[Arrange]:
    """Return the layouts in which a kernel may be written that has these shapes in both files."""
    shape, wanted = own[a].values.shape, true[b].values.shape
    if shape == wanted:
        channels = _channels_before(own, a)
        is_moved = _is_transposed(own, a) != _is_transposed(true, b)
        if shape[2] != 1 or not is_moved or not channels or shape[1] % channels:
            return [_as_it_is]
        return [_as_it_is, _moved(channels), _moved(shape[1] // channels)]
    if wanted[2] == 1:
        return [lambda values: values.transpose(0, 2, 1).reshape(wanted)]
    if shape[2] == 1:
        return [lambda values: values.reshape(shape[0], wanted[2], -1).transpose(0, 2, 1)]
    return []


def _as_it_is(values: Floats) -> Floats:
    return values


def _moved(last: int) -> Arrange:
    """Return the layout of a flattened image with its channels at the other end."""
    return lambda values: (
        values.reshape(len(values), -1, last).transpose(0, 2, 1).reshape(values.shape)
    )


def _channels_before(kernels: Sequence[Kernel], number: int) -> int:
    """Return the outputs of the kernels before another; 0 if they differ."""
    counts = {len(kernels[each].values) for each in kernels[number].inputs}
    return counts.pop() if len(counts) == 1 else 0


def _is_transposed(kernels: Sequence[Kernel], number: int) -> bool:
    before = kernels[number].inputs
    return any(kind in kernels[each].behind for each in before for kind in TRANSPOSE)


class _Neighbours:
    """Agreement of the kernels around a kernel in both files, so far as they are matched."""

    def __init__(
        self, own: Sequence[Kernel], true: Sequence[Kernel], known: Mapping[int, int]
    ) -> None:
        self._known = known
        self._own, self._true = (_around(each) for each in (own, true))

    def __call__(self, a: int, b: int) -> float:
        """Return the part of the neighbours that are each other's counterparts."""
        if not self._known:
            return 0.0
        sides = 0.0
        for mine, yours in zip(self._own[a], self._true[b], strict=True):
            mapped = {self._known[each] for each in mine if each in self._known}
            both = mapped | yours
            sides += len(mapped & yours) / len(both) if both else 1.0
        return sides / 2


def _around(kernels: Sequence[Kernel]) -> list[tuple[set[int], set[int]]]:
    """Return the kernels before and behind each kernel."""
    behind: list[set[int]] = [set() for _ in kernels]
    for number, kernel in enumerate(kernels):
        for each in kernel.inputs:
            behind[each].add(number)
    return [(set(kernel.inputs), after) for kernel, after in zip(kernels, behind, strict=True)]


def _assigned(
    mine: Sequence[int],
    yours: Sequence[int],
    similar: NDArray[np.float64],
    layouts: Sequence[Sequence[Arrange]],
    agreement: Callable[[int, int], float],
) -> list[Match]:
    from scipy.optimize import linear_sum_assignment

    around = np.array([[agreement(a, b) for b in yours] for a in mine])
    score = similar + NEIGHBOURS * around + IN_ORDER * np.eye(len(mine), len(yours))
    rows, columns = linear_sum_assignment(score, maximize=True)
    return [
        Match(mine[row], yours[column], float(similar[row, column]), layouts[row][column])
        for row, column in zip(rows, columns, strict=True)
        if similar[row, column] >= 0
    ]
