"""Peak memory of the activations of a graph."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class MemoryStep:
    """One operator in the order of execution, with the activations it reads and writes."""

    takes: tuple[str, ...]
    makes: tuple[str, ...]


def peak_bytes(
    steps: Sequence[MemoryStep],
    inputs: Collection[str],
    outputs: Collection[str],
    sizes: Mapping[str, int | None],
) -> int | None:
    """Return the most bytes of activations that live at one time; None if a size is unknown.

    A tensor lives from its producer (an input: from the start) to its last consumer (an output:
    to the end).

    >>> edges = (("image", "a"), ("a", "b"), ("b", "answer"))
    >>> steps = [MemoryStep((before,), (after,)) for before, after in edges]
    >>> peak_bytes(steps, ["image"], ["answer"], {"image": 3, "a": 10, "b": 5, "answer": 1})
    15
    """
    born: dict[str, int] = dict.fromkeys(inputs, 0)
    dies: dict[str, int] = dict.fromkeys(inputs, 0)
    for moment, step in enumerate(steps):
        for name in (*step.takes, *step.makes):
            born.setdefault(name, moment)
            dies[name] = moment
    dies |= dict.fromkeys((name for name in outputs if name in born), max(len(steps) - 1, 0))
    change = [0] * (len(steps) + 2)
    for name, moment in born.items():
        size = sizes.get(name)
        if size is None:
            return None
        change[moment] += size
        change[dies[name] + 1] -= size
    most = living = 0
    for each in change:
        living += each
        most = max(most, living)
    return most
