"""Targets in the columns of a table of images."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from edgecv.core.errors import InputError
from edgecv.core.text import listed, printable
from edgecv.datasets.annotations.annotated import (
    AnnotatedImage,
    Annotations,
    ImageNames,
    split_of,
    split_of_annotations,
)
from edgecv.datasets.annotations.tables import ACCEPTED, Table, WrongValue
from edgecv.datasets.array_targets import MOST_BOXES
from edgecv.datasets.image_tree.decoding import SUFFIXES

FILES = {"file", "filename", "file_name", "image", "image_path", "path", "filepath", "img",
         "image_name", "image_id", "id"}  # fmt: skip
CLASSES = {"label", "class", "class_name", "classname", "category", "target", "species", "y"}
SPLITS = {"split", "set", "subset", "partition", "usage"}
EDGES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
)
"""Names that people give the edges of a box."""
UNNAMED = ("unnamed:", "index")
"""Beginnings of the names of columns that pandas adds."""
FLAGS = ("0", "1", "0.0", "1.0")
MOST_TRIED = 50
"""Rows in which a column of files is searched for."""
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


def annotations_of(tables: list[Table], names: ImageNames, where: str) -> Annotations:
    """Return the images of tables with the same columns. Raises InputError."""
    table = replace(tables[0], rows=[row for each in tables for row in each.rows])
    from_names = [split_of_annotations(each.name) for each in tables for _ in each.rows]
    file = _file_column(table, names, where)
    split = next((place for place, name in enumerate(table.columns) if name in SPLITS), None)
    edges = _edges(table)
    left = [place for place in range(len(table.columns)) if place not in (file, split, *edges)]
    roles = _of_boxes(table, left, edges, where) if edges else _of_columns(table, left, where)
    found: dict[str, AnnotatedImage] = {}
    for row, from_name in zip(table.rows, from_names, strict=True):
        known = names.find(row[file])
        name = known or row[file].strip()
        part = split_of(f"{row[split].strip()}/") if split is not None else from_name
        bad = "" if known else "there is no such file, or there are several"
        try:
            targets = {kind: read(row) for kind, read in roles.reads.items()}
        except WrongValue as error:
            targets, bad = {}, bad or str(error)
        image = AnnotatedImage(name, part or split_of(name), targets, bad=bad)
        found[name] = _merged(found[name], image) if name in found else image
    notes = _notes(table, roles)
    return Annotations(list(found.values()), roles.class_names, roles.target_names, notes)


def _merged(one: AnnotatedImage, other: AnnotatedImage) -> AnnotatedImage:
    """Return an image of two rows: all boxes of both, or the same other targets."""
    if one.bad or other.bad:
        return one if one.bad else other
    if one.split != other.split:
        return replace(one, bad="its rows are of two splits")
    if "boxes" in one.targets:
        if len(one.targets["boxes"]) > MOST_BOXES:
            return replace(one, bad=f"it has more than {MOST_BOXES:,} boxes")
        boxes = np.concatenate([one.targets["boxes"], other.targets["boxes"]])
        return replace(one, targets={"boxes": boxes})
    if any(not np.array_equal(one.targets[kind], other.targets[kind]) for kind in one.targets):
        return replace(one, bad="its rows contradict each other")
    return one


def _file_column(table: Table, names: ImageNames, where: str) -> int:
    """Return the column of image files: one with such a name, else the first with such values."""
    named = [place for place, name in enumerate(table.columns) if name in FILES]
    for place in (*named, *range(len(table.columns))):
        cells = [row[place] for row in table.rows[:MOST_TRIED]]
        if place not in named:  # There "3" is a number, and not 3.jpg.
            cells = [cell for cell in cells if cell.strip().lower().endswith(SUFFIXES)]
        if any(names.find(cell) for cell in cells):
            if names.find(table.columns[place]):
                raise InputError(
                    where,
                    f"the first row of {printable(table.name)} is of an image",
                    accepted=ACCEPTED,
                    remedy="add a row of names",
                )
            return int(place)
    raise InputError(
        where,
        f"no column of {printable(table.name)} names an image file below it; its first row is "
        f"{listed(table.rows[0], 5)}",
        accepted=ACCEPTED,
    )


def _edges(table: Table) -> tuple[int, ...]:
    for names in EDGES:
        if all(name in table.columns for name in names):
            return tuple(table.columns.index(name) for name in names)
    return ()


def _of_boxes(table: Table, left: list[int], edges: tuple[int, ...], where: str) -> Roles:
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


def _of_columns(table: Table, left: list[int], where: str) -> Roles:
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
        are_whole = all(row[place].strip().isdigit() for row in table.rows if row[place].strip())
        if table.columns[place] in CLASSES and (place in texts or are_whole):
            return place, texts
    return texts[0] if len(texts) == 1 else None, texts


def _class_reader(table: Table, place: int, names: list[str]) -> Read:
    numbers = {name: number for number, name in enumerate(names)}
    return lambda row: _number_of_class(table, row, place, numbers)


def _class_names(rows: list[list[str]], label: int) -> list[str]:
    """Return the classes in a column: numbers by their size, others by the alphabet."""
    found = {row[label].strip() for row in rows} - {""}
    are_numbers = all(name.isdigit() and len(name) < 10 for name in found)
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


def _notes(table: Table, roles: Roles) -> tuple[str, ...]:
    """Return a note on the meaning of the columns, and one on those that are not read."""
    shown = [
        f"{kind} ({listed(roles.target_names[kind])})" if kind in roles.target_names else kind
        for kind in roles.reads
    ]
    notes = [f"{table.name} holds for each image: {', '.join(shown)}"]
    if unread := [table.columns[place] or "(no name)" for place in roles.unread]:
        notes.append(f"columns of {table.name} that are not read: {listed(unread)}")
    return tuple(notes)
