"""Targets in arrays: their names, their kinds, and checks of each kind."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Targets
from edgecv.core.errors import InputError
from edgecv.core.targets import IGNORED, KINDS, NO_BOX
from edgecv.core.text import counted
from edgecv.datasets.placement import box_fault, inside

NAME = re.compile(
    r"y_(?P<first>train|test)(?:_(?P<kind>\w{1,40}))?|y_(?P<word>\w{1,40})_(?P<last>train|test)"
    r"|y(?:_(?P<alone>\w{1,40}))?"
)
MOST_BOXES = 1000
"""Most boxes of an image."""
LEAST_BROKEN = 0.1
"""Part of numbers with a fraction from which on an array is no array of classes with a mistake."""
CLASS_INDICES: dict[str, Callable[[Targets], NDArray[Any]]] = {
    "class": lambda labels: labels,
    "classes": lambda labels: np.arange(labels.shape[1]),
    "mask": lambda masks: np.where(masks == IGNORED, 0, masks),
    "boxes": lambda boxes: boxes[:, :, 0],
}
"""The numbers of classes in targets of each kind that has classes."""
Size = tuple[int, int]
"""Width and height of the images."""


def place_of(name: str) -> tuple[str, str] | None:
    """Return the split and the kind that the name of an array says; None for another array.

    >>> place_of("y_train"), place_of("y_test_boxes"), place_of("y_boxes"), place_of("x_test")
    (('train', ''), ('test', 'boxes'), ('', 'boxes'), None)
    """
    if not (found := NAME.fullmatch(name)):
        return None
    split = found["first"] or found["last"] or ""
    return split, found["kind"] or found["word"] or found["alone"] or ""


def kind_by_shape(arrays: list[NDArray[Any]], size: Size) -> str | None:
    """Return the kind of targets that arrays of all splits hold, by their shapes and values."""
    first = arrays[0]
    shape = first.shape[1:-1] if first.ndim > 1 and first.shape[-1] == 1 else first.shape[1:]
    if first.dtype.kind not in "biuf" or any(each.shape[1:] != first.shape[1:] for each in arrays):
        return "class" if len(shape) < 2 else None
    if not shape:
        flat = np.concatenate([each.ravel() for each in arrays])
        has_fraction = flat.dtype.kind == "f" and np.mean(flat != np.floor(flat)) > LEAST_BROKEN
        return "numbers" if has_fraction else "class"
    if len(shape) == 1:
        if not all(((each == 0) | (each == 1)).all() for each in arrays):
            return "numbers"
        is_one_hot = all((each.sum(axis=1) == 1).all() for each in arrays)
        return "class" if is_one_hot else "classes"
    if shape == size[::-1] and first.dtype.kind in "biu":
        return "mask"
    return {5: "boxes", 3: "keypoints", 2: "keypoints"}.get(shape[1]) if len(shape) == 2 else None


def as_targets(
    field: str, values: NDArray[Any], images: int, size: Size, name: str, where: str
) -> Targets:
    """Return the targets of a field as ``core.targets`` describes them. Raises InputError."""
    if values.ndim > 1 and values.shape[-1] == 1 and field in ("class", "numbers", "mask"):
        values = values[..., 0]
    accepted, check = _CHECKS.get(field, ("numbers, none of them NaN or infinite", _other))
    remedy = (
        "of one-hot labels take argmax(axis=1)" if field == "class" and values.ndim == 2 else ""
    )
    if not _fits(field, values.shape, size):
        found = f"{name} has the shape {values.shape}"
        if field == "mask":
            found += f", the images are {size[1]}x{size[0]}"
        raise InputError(where, found, accepted=accepted, remedy=remedy)
    if len(values) != images:
        raise InputError(
            where,
            f"{name} has {counted(len(values), 'label')} for {counted(images, 'image')}",
            accepted="one each",
        )
    if values.dtype.kind not in ("iuf" if field == "class" else "biuf"):
        raise InputError(where, f"{name} holds {values.dtype}", accepted=accepted)
    targets, wrong = check(values)
    refuse(values, wrong, name, where, accepted)
    if field == "boxes":
        if fault := box_fault(targets, size):
            raise InputError(where, f"{name}{fault[0]} {fault[1]}", accepted=accepted)
        targets = inside(targets, size)
    return targets


def refuse(
    values: NDArray[Any], wrong: NDArray[np.bool_], name: str, where: str, accepted: str
) -> None:
    """Raise InputError that names the first of the values that are wrong."""
    if wrong.any():
        place = np.argwhere(wrong)[0].tolist()
        raise InputError(
            where, f"{name}{place} is {values[tuple(place)].item()}", accepted=accepted
        )


def _fits(field: str, shape: tuple[int, ...], size: Size) -> bool:
    if field == "mask":
        return shape[1:] == size[::-1]
    if field == "boxes":
        return len(shape) == 3 and shape[2] == 5 and 0 < shape[1] <= MOST_BOXES
    if field == "keypoints":
        return len(shape) == 3 and shape[2] in (2, 3) and shape[1] > 0
    most = {"class": (1,), "classes": (2,), "numbers": (1, 2)}.get(field)
    return 0 not in shape[1:] and (most is None or len(shape) in most)


def _class(values: NDArray[Any]) -> tuple[Targets, NDArray[np.bool_]]:
    wrong = (values < 0) | (values > np.iinfo(np.int32).max) | ~_is_whole(values)
    return np.where(wrong, 0, values).astype(np.int64), wrong


def _is_whole(values: NDArray[Any]) -> NDArray[np.bool_]:
    whole: NDArray[np.bool_] = np.isfinite(values) & (values == np.floor(values))
    return whole


def _boxes(values: NDArray[Any]) -> tuple[Targets, NDArray[np.bool_]]:
    wrong = np.zeros(values.shape, bool)
    wrong[:, :, 0] = (values[:, :, 0] < NO_BOX) | ~_is_whole(values[:, :, 0])
    boxes = values.astype(np.float32)
    boxes[boxes[:, :, 0] == NO_BOX, 1:] = 0
    return boxes, wrong


def _keypoints(values: NDArray[Any]) -> tuple[Targets, NDArray[np.bool_]]:
    points = np.ones((*values.shape[:2], 3), np.float32)
    points[:, :, : values.shape[2]] = values
    is_seen = (points[:, :, 2] > 0) & ~np.isnan(points[:, :, :2]).any(axis=2)
    points[:, :, 2] = is_seen
    points[~is_seen] = 0
    return points, np.isinf(points[:, :, : values.shape[2]])


def _other(values: NDArray[Any]) -> tuple[Targets, NDArray[np.bool_]]:
    """Keep whole numbers (N,) and bytes as they are; make others float32."""
    is_index = values.ndim == 1 and values.dtype.kind in "iu"
    kept = np.int64 if is_index else np.uint8 if values.dtype == np.uint8 else np.float32
    return values.astype(kept), ~np.isfinite(values)


_CHECKS: dict[str, tuple[str, Callable[[NDArray[Any]], tuple[Targets, NDArray[np.bool_]]]]] = {
    "class": ("whole numbers from 0 on, (N,) or (N, 1)", _class),
    "classes": (
        "0 or 1, (N, classes)",
        lambda values: (values.astype(np.uint8), (values != 0) & (values != 1)),
    ),
    "numbers": (
        "float32 (N, numbers), none of them NaN or infinite",
        lambda values: (values.reshape(len(values), -1).astype(np.float32), ~np.isfinite(values)),
    ),
    "mask": (
        KINDS["mask"],
        lambda values: (
            values.astype(np.uint8), (values < 0) | (values > IGNORED) | ~_is_whole(values)
        ),
    ),
    "boxes": (KINDS["boxes"], _boxes),
    "keypoints": (KINDS["keypoints"], _keypoints),
}  # fmt: skip
"""Accepted values and check of each kind: the targets, and True for values that are wrong."""
