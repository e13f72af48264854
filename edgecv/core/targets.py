"""Targets of images: a plain array of one kind, or a structured array with a field a kind.

A data set says all that it knows of an image; the task takes the kind that it learns from.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from edgecv.core.data import SPLITS, Dataset, Split, Targets
from edgecv.core.errors import InputError

KINDS = {
    "class": "the class of an image: int64 (N,)",
    "classes": "several classes an image: uint8 (N, classes), 1 where the image has it",
    "numbers": "numbers of an image: float32 (N, numbers)",
    "mask": "the class of each pixel: uint8 (N, H, W)",
    "boxes": "boxes: float32 (N, most, 5), class, left, top, right, bottom in pixels",
    "keypoints": "points: float32 (N, points, 3), x and y in pixels, and 1 where it is visible",
}
"""Kinds of targets, by the name of their field."""
IGNORED = 255
"""Value of a pixel of a mask that no metric and no loss counts."""
NO_BOX = -1
"""Class of the rows of ``boxes`` that hold no box: the images have different numbers of them."""


def together(fields: Mapping[str, Targets]) -> Targets:
    """Return targets of several kinds as one array, a row an image, with a field a kind.

    >>> together({"class": np.array([3, 1]), "numbers": np.zeros((2, 4), np.float32)}).shape
    (2,)
    """
    counts = {len(each) for each in fields.values()}
    if len(counts) != 1:
        raise ValueError(f"targets of {sorted(counts)} images")
    kinds: Any = [(name, each.dtype, each.shape[1:]) for name, each in fields.items()]
    whole = np.empty(counts.pop(), kinds)
    for name, each in fields.items():
        whole[name] = each
    return whole


def kinds_of(labels: Targets) -> tuple[str, ...]:
    """Return the names of the kinds of targets: a plain array is the class of each image."""
    return labels.dtype.names or ("class",)


def with_targets(data: Dataset, kind: str, wanted_by: str) -> Dataset:
    """Return the data with the targets of one kind, as a plain array.

    Raises InputError where the data has none; ``wanted_by`` names the task.
    """
    found = kinds_of(data.test.labels)
    if kind not in found:
        raise InputError(
            data.name,
            f"has no {kind} for the task {wanted_by}: its targets are {', '.join(found)}",
            accepted=KINDS.get(kind, f'targets with the name "{kind}"'),
            remedy="give data with them, or another --task",
        )
    splits: dict[str, Any] = {name: _plain(data.split(name), kind) for name in SPLITS}
    return replace(data, **splits)


def _plain(split: Split, kind: str) -> Split:
    if split.labels.dtype.names is None:
        return split
    return replace(split, labels=np.ascontiguousarray(split.labels[kind]))
