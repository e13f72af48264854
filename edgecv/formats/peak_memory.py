"""Peak memory of the activations of a graph."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any


@dataclass(frozen=True)
class MemoryStep:
    """One operator in the order of execution, with the activations it reads and writes."""

    takes: tuple[str, ...]
    makes: tuple[str, ...]


def peak_facts(peak: "Peak | None", operators: Sequence[object]) -> dict[str, Any]:
    """Return the fields of ``Contents`` on the peak; ``operators``: one a step, as text."""
    if peak is None:
        return {"peak_activation_bytes": None}
    return {
        "peak_activation_bytes": peak.bytes,
        "peak_operator": next(map(str, operators[peak.step :]), ""),
        "peak_input_bytes": peak.input_bytes,
    }


@dataclass(frozen=True)
class Peak:
    """The moment at which most bytes of activations live."""

    bytes: int
    step: int
    """Number of the operator that runs then."""
    input_bytes: int
    """Bytes of the graph's inputs among them."""


def peak_of(
    steps: Sequence[MemoryStep],
    inputs: Collection[str],
    outputs: Collection[str],
    sizes: Mapping[str, int | None],
) -> Peak | None:
    """Return the moment at which most bytes of activations live; None if a size is unknown.

    A tensor lives from its producer (an input: from the start) to its last consumer (an output:
    to the end).

    >>> edges = (("image", "a"), ("a", "b"), ("b", "answer"))
    >>> steps = [MemoryStep((before,), (after,)) for before, after in edges]
    >>> peak_of(steps, ["image"], ["answer"], {"image": 3, "a": 10, "b": 5, "answer": 1})
    Peak(bytes=15, step=1, input_bytes=0)
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
    living = list(accumulate(change))
    most = max(living)
    moment = living.index(most)
    alive = [sizes[name] or 0 for name in set(inputs) if dies[name] >= moment]
    return Peak(most, moment, sum(alive))
