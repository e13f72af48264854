"""Targets in the columns of a table of images."""

from dataclasses import replace

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
from edgecv.datasets.annotations.column_roles import Roles, roles_of_boxes, roles_of_columns
from edgecv.datasets.annotations.tables import ACCEPTED, Table, WrongValue
from edgecv.datasets.array_targets import MOST_BOXES
from edgecv.datasets.image_tree.decoding import SUFFIXES

FILES = {"file", "filename", "file_name", "image", "image_path", "path", "filepath", "img",
         "image_name", "image_id", "id"}  # fmt: skip
SPLITS = {"split", "set", "subset", "partition", "usage"}
EDGES = (
    ("xmin", "ymin", "xmax", "ymax"),
    ("x1", "y1", "x2", "y2"),
    ("x_min", "y_min", "x_max", "y_max"),
    ("left", "top", "right", "bottom"),
)
"""Names that people give the edges of a box."""
MOST_TRIED = 50
"""Rows in which a column of files is searched for."""


def annotations_of(tables: list[Table], names: ImageNames, where: str) -> Annotations:
    """Return the images of tables with the same columns. Raises InputError."""
    table = replace(tables[0], rows=[row for each in tables for row in each.rows])
    from_names = [split_of_annotations(each.name) for each in tables for _ in each.rows]
    file = _file_column(table, names, where)
    split = next((place for place, name in enumerate(table.columns) if name in SPLITS), None)
    edges = _edges(table)
    left = [place for place in range(len(table.columns)) if place not in (file, split, *edges)]
    roles = (
        roles_of_boxes(table, left, edges, where) if edges else roles_of_columns(table, left, where)
    )
    found: dict[str, AnnotatedImage] = {}
    for row, from_name in zip(table.rows, from_names, strict=True):
        known = names.find(row[file])
        name = known or row[file].strip()
        part = _split_in(table, row, split, where) if split is not None else from_name
        bad = "" if known else "there is no such file, or there are several"
        try:
            targets = {kind: read(row) for kind, read in roles.reads.items()}
        except WrongValue as error:
            targets, bad = {}, bad or str(error)
        image = AnnotatedImage(name, part or split_of(name), targets, bad=bad)
        found[name] = _merged(found[name], image) if name in found else image
    notes = _notes(table, roles)
    return Annotations(list(found.values()), roles.class_names, roles.target_names, notes)


def _split_in(table: Table, row: list[str], place: int, where: str) -> str:
    """Return the split in a row's column of splits; nothing where it is left empty."""
    text = row[place].strip()
    part = split_of(f"{text}/")
    if text and not part:
        raise InputError(
            where,
            f'the column {table.columns[place]} of {printable(table.name)} holds "'
            f'{printable(text)}"',
            accepted="train, val or test, or nothing",
            remedy="write one of these, or leave the column out",
        )
    return part


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
