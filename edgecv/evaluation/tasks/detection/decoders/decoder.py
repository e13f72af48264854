"""The base of decoders: what all have, the outputs by their roles, and the cells of maps."""

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import Outputs, Predictions
from edgecv.core.errors import InputError
from edgecv.core.options import Options, Several
from edgecv.evaluation.tasks.detection.boxes import Boxes, Floats

WHERE = "[task.decoder]"
Coordinates = Literal["fractions", "pixels"]
Pair = Annotated[tuple[int, int], Field(strict=False)]
Size = Annotated[tuple[float, float], Field(strict=False)]
Shape = tuple[int, ...]
"""Shape of an output for one image."""


class Decoder(Options):
    """Options of every decoder."""

    least_score: float = Field(default=0.05, ge=0, lt=1)
    """Smallest score of a box that counts."""
    first_class: int = Field(default=0, ge=0, le=1000)
    """Number of the model's first class of the data: 1 where its 0 is the background."""

    @property
    def unit(self) -> Coordinates:
        """Unit of the decoded corners: fractions of the image's sides, or its pixels."""
        return "fractions"

    @abstractmethod
    def decoded(self, outputs: Outputs) -> Boxes:
        """Return the boxes of each image. Raises InputError where the outputs do not fit."""

    def misfit(self, outputs: Outputs, accepted: str, remedy: str = "") -> InputError:
        """Return the error of outputs that this decoder does not fit: it shows their shapes."""
        kind = getattr(self, "kind", "")
        found = f'the decoder "{kind}" does not fit the outputs {shapes_text(outputs)}'
        return InputError(WHERE, found, accepted=accepted, remedy=remedy)


class OverlapDecoder(Decoder):
    """Options of decoders that leave out boxes that overlap better ones."""

    most_overlap: float = Field(default=0.5, gt=0, le=1)
    """Largest overlap (IoU) of two boxes of a class: above it, only the better one is kept."""


class CellMap(Options):
    """One map of cells, with the anchors of each cell."""

    cells: Pair
    """Cells in height and width."""
    anchors: Annotated[tuple[Size, ...], Field(strict=False, min_length=1)] = ((1.0, 1.0),)
    """Width and height of each anchor of a cell, as fractions of the image."""

    @property
    def count(self) -> int:
        """Number of anchors in all cells."""
        return self.cells[0] * self.cells[1] * len(self.anchors)


def grid(maps: Sequence[CellMap]) -> tuple[Floats, Floats, Floats]:
    """Return column and row, cells in width and height, anchor width and height: (A, 2) each.

    By rows, columns and anchors of each map, as ``rows_of`` has them.
    """
    places, cells, anchors = [], [], []
    for each in maps:
        rows, columns, kinds = np.indices((*each.cells, len(each.anchors))).reshape(3, -1)
        places.append(np.stack([columns, rows], axis=1).astype(np.float64))
        cells.append(np.tile(np.array(each.cells[::-1], np.float64), (len(rows), 1)))
        anchors.append(np.array(each.anchors, np.float64)[kinds])
    return np.concatenate(places), np.concatenate(cells), np.concatenate(anchors)


def named(
    outputs: Outputs, role: str, names: Several, taken: Sequence[str], fits: Callable[[Shape], bool]
) -> tuple[str, ...]:
    """Return the names of the outputs of a role: those that are given, or the one that fits.

    Of several that fit, the one that is called as the role.

    Raises InputError where there is no such output, or several fit.
    """
    arrays = outputs.arrays
    unknown = [name for name in names if name not in arrays]
    if unknown:
        raise InputError(
            WHERE,
            f'{role}: no output is called "{unknown[0]}"',
            accepted=", ".join(arrays),
        )
    if names:
        return tuple(names)
    left = [name for name in arrays if name not in taken]
    found = [name for name in left if fits(arrays[name].shape[1:])]
    if role in found:
        return (role,)
    if len(found) != 1 and len(left) != 1:
        fitting = f"{' and '.join(found)} may be it" if found else "none fits by its shape"
        raise InputError(
            WHERE,
            f"the outputs are {shapes_text(outputs)}, and nothing says which are the {role}:"
            f" {fitting}",
            remedy=f'name it: {role} = "{(found or left or list(arrays))[0]}"',
        )
    return tuple(found or left)


def shapes_text(outputs: Outputs) -> str:
    """Return the names and shapes of outputs, for one image.

    >>> shapes_text(Outputs.one(np.zeros((2, 8, 4), np.float32), "boxes"))
    'boxes [8, 4]'
    """
    return ", ".join(f"{name} {list(each.shape[1:])}" for name, each in outputs.arrays.items())


def corners_of(middles: Floats, sizes: Floats) -> Floats:
    """Return left, top, right, bottom of boxes: (..., 2), (..., 2) -> (..., 4).

    >>> corners_of(np.array([4.0, 3.0]), np.array([2.0, 6.0])).tolist()
    [3.0, 0.0, 5.0, 6.0]
    """
    return np.concatenate([middles - sizes / 2, middles + sizes / 2], axis=-1)


def rows_of(values: Predictions, maps: Sequence[CellMap]) -> Predictions | None:
    """Return an output as float32 (N, A, C), by rows, columns and anchors; None if it is not.

    Accepted: (A, C), (C, A); of one map also (H, W, A x C), (A x C, H, W), (H, W, A, C) and
    (A, H, W, C), which is also the order of the rows in ``anchors_first`` files.
    """
    count, shape = sum(each.count for each in maps), values.shape[1:]
    if len(shape) == 2:
        if count not in shape:
            return None
        return values if shape[0] == count else values.swapaxes(1, 2)
    if len(maps) != 1 or values[0].size % count:
        return None
    high, wide, each = *maps[0].cells, len(maps[0].anchors)
    if len(shape) == 4 and shape[:3] == (each, high, wide):
        values = np.moveaxis(values, 1, 3)
    elif len(shape) == 3 and shape[1:] == (high, wide) and shape[0] % each == 0:
        parted = values.reshape(len(values), each, -1, high, wide)
        values = np.moveaxis(parted, (3, 4), (1, 2))
    elif shape[:2] != (high, wide):
        return None
    return values.reshape(len(values), count, -1)


def joined_rows(arrays: Sequence[Predictions], maps: Sequence[CellMap]) -> Predictions | None:
    """Return the rows of one output of all maps, or of one a map: float32 (N, A, C); else None.

    Runtimes leave out the axis of a single number.
    """
    arrays = [each[..., np.newaxis] if each.ndim == 2 else each for each in arrays]
    if len(arrays) == 1:
        return rows_of(arrays[0], maps)
    if len(arrays) != len(maps):
        return None
    parts = [rows_of(each, [of_map]) for each, of_map in zip(arrays, maps, strict=True)]
    known = [each for each in parts if each is not None]
    if len(known) < len(parts) or len({each.shape[2] for each in known}) > 1:
        return None
    return np.concatenate(known, axis=1)


def cells_first(values: Predictions, maps: Sequence[CellMap]) -> Predictions:
    """Return rows that stand by anchors, rows and columns of each map by rows, columns, anchors."""
    order, start = list[NDArray[Any]](), 0
    for each in maps:
        numbers = np.arange(start, start + each.count).reshape(len(each.anchors), *each.cells)
        order.append(np.moveaxis(numbers, 0, 2).ravel())
        start += each.count
    found: Predictions = values[:, np.concatenate(order)]
    return found


def sigmoid(values: Any) -> Any:
    """Return 1 / (1 + e^-x) of any array, without overflow.

    >>> sigmoid(np.array([0.0, 1000.0, -1000.0])).tolist()
    [0.5, 1.0, 0.0]
    """
    return 0.5 * (1 + np.tanh(0.5 * values.astype(np.float64)))
