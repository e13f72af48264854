"""Classes in the targets of images, for drawing splits and for checking them."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import InputError
from edgecv.core.records import Targets
from edgecv.core.targets import IGNORED, kinds_of
from edgecv.core.text import listed

CLASS_NOUNS = {"classes": "an image", "mask": "a pixel", "boxes": "an object"}
"""Kinds of targets with any number of classes an image, and what one class is of."""


def class_of_each(labels: Targets) -> NDArray[np.int64]:
    """Return the class of each image, int64 (N,): 0 for all where they have none.

    >>> class_of_each(np.array([2, 0])).tolist()
    [2, 0]
    """
    if labels.dtype.names is None:
        return labels
    if "class" in labels.dtype.names:
        return np.ascontiguousarray(labels["class"])
    return np.zeros(len(labels), np.int64)


def occurrence(values: Targets, kind: str, classes: int) -> NDArray[np.bool_]:
    """Return for targets of one kind which classes each image has: bool (N, classes)."""
    if kind == "classes":
        return values.astype(bool)
    if kind == "boxes":
        values = values[:, :, 0]
    axes = tuple(range(1, values.ndim))
    return np.stack([(values == number).any(axis=axes) for number in range(classes)], axis=1)


def rarest_class(labels: Targets) -> NDArray[np.int64]:
    """Return the rarest of the classes that each image has, by number of images: int64 (N,).

    -1 for an image without any; 0 for all where no kind of targets has classes.
    """
    kinds = [kind for kind in CLASS_NOUNS if kind in kinds_of(labels)]
    if "class" in kinds_of(labels) or not kinds or not len(labels):
        return class_of_each(labels)
    found = occurrence(labels[kinds[0]], kinds[0], _classes(labels[kinds[0]], kinds[0]))
    if kinds[0] == "mask":
        found = found[:, 1:]  # The background is everywhere.
    images = np.where(found, found.sum(axis=0), len(labels) + 1)
    return np.where(found.any(axis=1), images.argmin(axis=1), -1)


def _classes(values: Targets, kind: str) -> int:
    if kind == "classes":
        return int(values.shape[1])
    if kind == "mask":
        return int(np.where(values == IGNORED, 0, values).max()) + 1
    return int(values[:, :, 0].max(initial=0)) + 1


def check_occurrence(
    where: str,
    class_names: Sequence[str],
    target_names: Mapping[str, Sequence[str]],
    train: Targets,
    test: Targets,
) -> list[str]:
    """Return notes on classes that occur nowhere.

    Raises InputError where a class is in the training images or in the test images alone, or no
    test image has an object.
    """
    notes = []
    for kind in (each for each in CLASS_NOUNS if each in kinds_of(test)):
        names = target_names.get(kind, class_names)
        there: NDArray[np.bool_] = np.any(occurrence(test[kind], kind, len(names)), axis=0)
        if kind == "boxes" and not there.any():
            raise InputError(
                where,
                "no test image has an object",
                accepted="at least one object among the test images",
                remedy="put images with objects there",
            )
        if len(train):
            learnt: NDArray[np.bool_] = np.any(occurrence(train[kind], kind, len(names)), axis=0)
            _check_both(where, kind, _chosen(names, learnt & ~there), "training")
            _check_both(where, kind, _chosen(names, there & ~learnt), "test")
        if absent := _chosen(names, ~there):
            notes.append(f"of the classes of {CLASS_NOUNS[kind]}, no image has {listed(absent)}")
    return notes


def _chosen(names: Sequence[str], places: NDArray[np.bool_]) -> list[str]:
    return [names[place] for place in np.flatnonzero(places).tolist()]


def _check_both(where: str, kind: str, names: list[str], split: str) -> None:
    if names:
        raise InputError(
            where,
            f"the class {listed(names, 3)} ({CLASS_NOUNS[kind]}) is in {split} images alone",
            accepted="classes that training and test images have",
            remedy="add images with it to the other split, or leave the class out",
        )
