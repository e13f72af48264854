"""Names that the signature of a TFLite file gives to its inputs or its outputs."""

from collections import Counter
from collections.abc import Iterable, Sequence


def names_in_turn(numbers: Sequence[int], named: Iterable[tuple[int, str]]) -> list[str] | None:
    """Return the name of each tensor, of several names each in turn; None if they do not fit.

    ``named``: the number of a tensor and a name of it.

    >>> names_in_turn([3, 5, 3], [(3, "same"), (5, "other"), (3, "first")])
    ['first', 'other', 'same']
    """
    names: dict[int, list[str]] = {}
    for number, name in sorted(named):
        names.setdefault(number, []).append(name)
    if names.keys() != {*numbers} or not all(map(all, names.values())):
        return None
    seen: Counter[int] = Counter()
    found = []
    for number in numbers:
        found.append(names[number][min(seen[number], len(names[number]) - 1)])
        seen[number] += 1
    return found
