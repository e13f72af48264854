"""Kinds of targets that the columns of a table hold, by their names and values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.targets import KINDS
from edgecv.core.text import listed, printable
from edgecv.datasets.annotations.tables import ACCEPTED, Table, WrongValue

CLASSES = {"label", "class", "class_name", "classname", "category", "target", "species", "y"}
UNNAMED = ("unnamed:", "index")
"""Beginnings of the names of columns that pandas adds."""
FLAGS = ("0", "1", "0.0", "1.0")
Read = Callable[[list[str]], Any]
"""Makes the targets of one kind of a row. May raise WrongValue."""


@dataclass(frozen=True)
class Roles:
    """The kinds of targets that the columns of a table hold."""

    reads: Mapping[str, Read]
    class_names: tuple[str, ...] = ()
    target_names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    unread: tuple[int, ...] = ()
    """Columns that hold no targets."""


def roles_of_boxes(table: Table, left: list[int], edges: tuple[int, ...], where: str) -> Roles:
    """Return the roles of columns with a box a row; a row without edges has none."""
    label, texts = _class_column(table, left)
    if label is None and texts:
        raise InputError(
            where,
            f"{printable(table.name)} has {len(texts)} columns of text: "
            f"{listed([table.columns[place] for place in texts])}",
            accepted="one, or one that is called label or class",
        )
    has_box = [row for row in table.rows if any(row[place].strip() for place in edges)]
    names = _class_names(has_box, label) if label is not None else ["object"]
    numbers = {name: number for number, name in enumerate(names)}

    def boxes(row: list[str]) -> Any:
        if not any(row[place].strip() for place in edges):
            return np.zeros((0, 5), np.float32)
        number = 0 if label is None else _number_of_class(table, row, label, numbers)
        ends = [table.number(row, place) for place in edges]
        return np.array([[number, *ends]], np.float32)

    unread = tuple(place for place in left if place != label)
    return Roles({"boxes": boxes}, tuple(map(printable, names)), unread=unread)


def roles_of_columns(table: Table, left: list[int], where: str) -> Roles:
    """Return the roles of columns with an image a row."""
    columns = [printable(name) for name in table.columns]
    reads: dict[str, Read] = {}
    target_names: dict[str, tuple[str, ...]] = {}
    class_names: tuple[str, ...] = ()
    used = [place for place in left if columns[place] and not columns[place].startswith(UNNAMED)]
    points = [
        (place, columns.index(f"{columns[place][:-2]}_y"))
        for place in used
        if columns[place].endswith("_x") and f"{columns[place][:-2]}_y" in columns
    ]
    if points:
        target_names["keypoints"] = tuple(columns[x][:-2] for x, _ in points)
        reads["keypoints"] = lambda row: np.array(
            [_point(table, row, x, y) for x, y in points], np.float32
        )
    used = [place for place in used if not any(place in pair for pair in points)]
    label, texts = _class_column(table, used)
    numeric = [place for place in used if place != label and table.is_numeric(place)]
    flags = all(row[place].strip() in FLAGS for row in table.rows for place in numeric)
    if label is None and flags and len(numeric) == 1:
        label, numeric = numeric[0], []
    if label is not None:
        names = _class_names(table.rows, label)
        class_names = tuple(map(printable, names))
        reads["class"] = _class_reader(table, label, names)
    named = texts if label is None else []
    if taken := [columns[place] for place in named if columns[place] in KINDS]:
        raise InputError(
            where,
            f"{printable(table.name)} has {len(texts)} columns of text, and one is called "
            f"{taken[0]}",
            accepted="a column called label or class, or other names",
            remedy=f"give {taken[0]} another name, or leave it out",
        )
    for place in named:
        names = _class_names(table.rows, place)
        target_names[columns[place]] = tuple(map(printable, names))
        reads[columns[place]] = _class_reader(table, place, names)
    if numeric:
        kind = "classes" if flags and label is None else "numbers"
        names = [columns[place] for place in numeric]
        if kind == "classes":
            class_names = tuple(names)
        else:
            target_names[kind] = tuple(names)
        reads[kind] = lambda row: tuple(table.number(row, place) for place in numeric)
    if not reads:
        raise InputError(where, f"{printable(table.name)} has no targets", accepted=ACCEPTED)
    known = {label, *named, *numeric, *(place for pair in points for place in pair)}
    unread = tuple(place for place in left if place not in known)
    return Roles(reads, class_names, target_names, unread)


def _class_column(table: Table, places: list[int]) -> tuple[int | None, list[int]]:
    """Return the column of classes, one with such a name or the only one of text; and all of text.

    Of several without such a name each is the class of another question.
    """
    texts = [place for place in places if not table.is_numeric(place)]
    for place in places:
        are_whole = all(row[place].strip().isdecimal() for row in table.rows if row[place].strip())
        if table.columns[place] in CLASSES and (place in texts or are_whole):
            return place, texts
    return texts[0] if len(texts) == 1 else None, texts


def _class_reader(table: Table, place: int, names: list[str]) -> Read:
    numbers = {name: number for number, name in enumerate(names)}
    return lambda row: _number_of_class(table, row, place, numbers)


def _class_names(rows: list[list[str]], label: int) -> list[str]:
    """Return the classes in a column: numbers by their size, others by the alphabet."""
    found = {row[label].strip() for row in rows} - {""}
    are_numbers = all(name.isdecimal() and len(name) < 10 for name in found)
    return sorted(found, key=int) if are_numbers else sorted(found)


def _number_of_class(table: Table, row: list[str], label: int, numbers: Mapping[str, int]) -> int:
    if not row[label].strip():
        raise WrongValue(f"its {table.columns[label]} is empty")
    return numbers[row[label].strip()]


def _point(table: Table, row: list[str], x: int, y: int) -> tuple[float, float, int]:
    """Return a point, which is not visible where its place is left empty."""
    if not row[x].strip() and not row[y].strip():
        return 0, 0, 0
    return table.number(row, x), table.number(row, y), 1
