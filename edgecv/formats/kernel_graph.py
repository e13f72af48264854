"""The graph of a file's kernels: which kernels each operator takes values of, and what lies behind.

It is the same whatever a converter calls tensors and in whatever order it writes branches.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

SHAPES = ("SHAPE", "RANK", "SIZE")
"""Operators that give the shape of what they take, and nothing of its values."""


@dataclass(frozen=True)
class Step:
    """One operator of a file: the keys of its tensors, and the number of its kernel, if any."""

    kinds: tuple[str, ...]
    """Its type, and the activation that it applies, if any."""
    inputs: tuple[Hashable, ...]
    outputs: tuple[Hashable, ...]
    kernel: int | None = None


@dataclass(frozen=True)
class KernelGraph:
    """The neighbours of each operator and of each kernel."""

    sources: tuple[tuple[int, ...], ...]
    """For each operator, the nearest kernels whose values it takes."""
    behind: tuple[tuple[str, ...], ...]
    """For each kernel, the types of the operators between it and the next kernels."""


def kernel_graph(steps: Sequence[Step], kernels: int) -> KernelGraph:
    """Return the neighbours of operators, which are in an order in which they can run."""
    reaching: dict[Hashable, frozenset[int]] = {}
    behind: list[set[str]] = [set() for _ in range(kernels)]
    sources = []
    nothing: frozenset[int] = frozenset()
    for step in steps:
        taken = nothing.union(*(reaching.get(each, nothing) for each in step.inputs))
        sources.append(tuple(sorted(taken)))
        given = taken if step.kernel is None else frozenset([step.kernel])
        if step.kinds[0].upper() in SHAPES:
            given = nothing
        own = step.kinds if step.kernel is None else step.kinds[1:]
        for number in given:
            behind[number].update(own)
        for each in step.outputs:
            reaching[each] = given
    return KernelGraph(tuple(sources), tuple(tuple(sorted(each)) for each in behind))
