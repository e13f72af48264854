"""Targets by the names that the data has for them: for several heads that learn one kind."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from edgecv.core.data import SPLITS, Dataset, Targets
from edgecv.core.errors import InputError
from edgecv.core.targets import KINDS, kinds_of, together
from edgecv.core.text import listed, nearest
from edgecv.datasets.array_targets import as_targets

NAMED = ("class", "classes", "numbers")
"""Kinds of targets that may have names of their own: the others move with the pixels, by kind."""


def target_names(data: Dataset) -> tuple[str, ...]:
    """Return the names of targets that are no kinds, as of y_train_colour or of a column."""
    return tuple(name for name in kinds_of(data.test.labels) if name not in KINDS)


def columns_of(data: Dataset) -> tuple[str, ...]:
    """Return the names of the numbers of an image, where the data has some."""
    has_numbers = "numbers" in kinds_of(data.test.labels)
    return data.target_names.get("numbers", ()) if has_numbers else ()


def as_kind(data: Dataset, names: Sequence[str], kind: str, where: str) -> Dataset:
    """Return the data with the targets of those names alone, as its targets of a kind.

    Of several names they stand side by side. Raises InputError where there are none of such names,
    or of another kind.
    """
    if kind not in NAMED:
        raise InputError(
            where, f"are {kind}, which have no names of their own", accepted=", ".join(NAMED)
        )
    known = tuple(dict.fromkeys((*kinds_of(data.test.labels), *columns_of(data))))
    if missing := [name for name in names if name not in known]:
        found = f'there are no targets "{missing[0]}" in {data.name}'
        raise InputError(where, found, accepted=listed(known), remedy=nearest(missing[0], known))
    splits = {each: data.split(each) for each in SPLITS}
    whole = [np.concatenate([_values(data, s.labels, name) for s in splits.values()])
             for name in names]  # fmt: skip
    rows = len(whole[0])
    values = whole[0] if len(names) == 1 else np.column_stack([w.reshape(rows, -1) for w in whole])
    height, width, _ = data.image_shape
    targets = as_targets(kind, values, rows, (width, height), listed(names), where)
    named = _names(data, names, kind, whole, targets)
    parts = np.split(targets, np.cumsum([len(each) for each in splits.values()])[:-1])
    changed: dict[str, Any] = {
        name: replace(split, labels=together({kind: part}))
        for (name, split), part in zip(splits.items(), parts, strict=True)
    }
    return replace(data, class_names=named, target_names={kind: named}, **changed)


def _values(data: Dataset, labels: Targets, name: str) -> Targets:
    if name in kinds_of(labels):
        return labels if labels.dtype.names is None else np.ascontiguousarray(labels[name])
    column: Targets = labels["numbers"][:, columns_of(data).index(name)]
    return column


def _names(
    data: Dataset, names: Sequence[str], kind: str, values: Sequence[Targets], targets: Targets
) -> tuple[str, ...]:
    """Return the names of the classes, or of the numbers, of some targets."""
    if kind == "class":
        given = data.target_names.get(names[0]) or (data.class_names if names[0] == kind else ())
        largest = int(targets.max(initial=0))
        return given or tuple(map(str, range(largest + 1)))
    named: list[str] = []
    for name, each in zip(names, values, strict=True):
        width = int(np.prod(each.shape[1:]))
        usual = (name,) if width == 1 else tuple(f"{name} {place}" for place in range(width))
        named += data.target_names.get(name, usual)
    return tuple(named)
