"""Splitting of labelled images into four parts that share no image."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import UNKNOWN_LABEL, Dataset, Split, Targets
from edgecv.core.errors import InputError
from edgecv.core.images import ImageSequence, image_rows
from edgecv.core.sample import sample_rows
from edgecv.core.targets import class_of_each, kinds_of
from edgecv.core.text import counted
from edgecv.datasets.exact_copies import (
    Digests,
    distinct_rows,
    image_digests,
    left_out_note,
    row_keys,
)
from edgecv.datasets.split_hashes import split_sha256

CALIBRATION_IMAGES = 1000
CALIBRATION_PERCENT = 15
SMALLEST_CLASS = 3
"""Smallest class: one image each for train, calibration and validation."""

IMAGES_A_TEST_IMAGE = 5
"""Images for each test image, where nobody has set any aside."""
SMALLEST_PILE = 3
"""Fewest images without labels: one for calibration, two for comparison."""

_Integers = NDArray[np.int64]


def partition(
    name: str,
    class_names: Sequence[str],
    train_images: ImageSequence,
    train_labels: Targets,
    test_images: ImageSequence,
    test_labels: Targets,
    *,
    validation: float,
    seed: int,
    notes: Sequence[str] = (),
    digests: tuple[Digests, Digests] | None = None,
    where: str = "",
    chosen_images: int = 0,
    target_names: Mapping[str, tuple[str, ...]] | None = None,
) -> Dataset:
    """Take calibration and validation images out of train, class by class if they have a class.

    Images: uint8 (N, H, W, C); labels: int64 (N,), or targets as in ``core.targets``. The test
    split stays as it is. What is drawn depends on the pixels and the seed, not on the order of the
    images nor on a random generator, so a library update cannot move an image between splits.
    ``digests`` are those of the train and test images, if already known; errors start with
    ``where``. ``chosen_images``: so many at the end of train are the validation split already.
    Raises InputError where a class is too small.
    """
    where = where or f"--data {name}"
    if "class" in kinds_of(test_labels):
        _check_test(where, class_names, class_of_each(test_labels))
    if digests is None:
        digests = image_digests(train_images), image_digests(test_images)
    rows, found = distinct_rows(digests, train_labels, test_labels)
    is_chosen = rows >= len(train_labels) - chosen_images
    given, rows = rows[is_chosen], rows[~is_chosen]
    classes = class_of_each(train_labels)
    sizes = class_sizes(train_labels[rows], len(class_names))
    if len(rows):
        _check_sizes(where, class_names if "class" in kinds_of(train_labels) else (), sizes)
    rows = rows[_draw(digests[0][rows], seed)]
    train, calibration, chosen = _deal(classes[rows], sizes, validation)
    validating = rows[chosen]
    if chosen_images:
        train, validating = np.sort(np.concatenate([train, chosen])), given
    return Dataset(
        name=name,
        class_names=tuple(class_names),
        train=_split(train_images, train_labels, rows[train]),
        calibration=_split(train_images, train_labels, rows[calibration]),
        validation=_split(train_images, train_labels, validating),
        test=_split(test_images, test_labels, np.arange(len(test_labels))),
        notes=(*notes, *found),
        target_names=target_names or {},
    )


def class_sizes(labels: Targets, classes: int) -> _Integers:
    """Return the number of images of each class, int64 (classes,); (1,) where they have none."""
    has_class = "class" in kinds_of(labels)
    return np.bincount(class_of_each(labels), minlength=classes if has_class else 1)


def without_labels(
    name: str,
    images: ImageSequence,
    digests: Digests | None,
    *,
    seed: int,
    notes: Sequence[str] = (),
    where: str = "",
) -> Dataset:
    """Share images without labels between calibration and test: uint8 (N, H, W, C).

    At most a third of the distinct images is for calibration. Raises InputError for too few.
    """
    if digests is None:
        digests = image_digests(images)
    labels = np.full(len(images), UNKNOWN_LABEL, np.int64)
    rows = np.sort(np.unique(row_keys(digests), return_index=True)[1])
    found = []
    if copies := len(images) - len(rows):
        found.append(left_out_note(copies, "image"))
    if len(rows) < SMALLEST_PILE:
        raise InputError(
            where or f"--data {name}",
            f"holds {counted(len(rows), 'different image')}",
            accepted=f"at least {SMALLEST_PILE}: some calibrate, a model is compared on the others",
        )
    rows = rows[_draw(digests[rows], seed)]
    calibrating = min(CALIBRATION_IMAGES, len(rows) // 3)
    none = rows[:0]
    return Dataset(
        name=name,
        class_names=(),
        train=_split(images, labels, none),
        calibration=_split(images, labels, rows[:calibrating]),
        validation=_split(images, labels, none),
        test=_split(images, labels, np.sort(rows[calibrating:])),
        notes=(*notes, *found, "the images have no labels: no accuracy is known"),
        has_labels=False,
    )


def set_aside(labels: _Integers, digests: Digests, seed: int) -> NDArray[np.bool_]:
    """Draw test images where the data has none: one in five of each class, True for each (N,)."""
    ordered = _draw(digests, seed)
    is_test = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = ordered[labels[ordered] == label]
        is_test[rows[: max(1, len(rows) // IMAGES_A_TEST_IMAGE)]] = True
    return is_test


def _check_test(where: str, class_names: Sequence[str], labels: _Integers) -> None:
    if len(class_names) < 2:
        raise InputError(
            where, f"there is {counted(len(class_names), 'class')}", accepted="at least 2 classes"
        )
    sizes = np.bincount(labels, minlength=len(class_names))
    if not sizes.all():
        missing = class_names[int(np.argmin(sizes))]
        raise InputError(
            where,
            f'the class "{missing}" has no test image',
            accepted="at least one test image of each class",
            remedy="add some, or leave the class out",
        )


def _check_sizes(where: str, class_names: Sequence[str], sizes: _Integers) -> None:
    smallest = int(np.argmin(sizes))
    if sizes[smallest] < SMALLEST_CLASS:
        owner = f'the class "{class_names[smallest]}" has' if class_names else "there is"
        raise InputError(
            where,
            f"{owner} {counted(int(sizes[smallest]), 'training image')}, copies not counted",
            accepted=f"at least {SMALLEST_CLASS} different ones{' a class' * bool(class_names)}, "
            "to share among train, calibration and validation",
            remedy="add some, or leave the class out" if class_names else "add some",
        )


def _draw(digests: Digests, seed: int) -> _Integers:
    """Order the images by a hash of their pixels and the seed: int64 (N,)."""
    prefix = f"{seed}:".encode()
    tickets = b"".join(
        hashlib.blake2b(prefix + digest, digest_size=8).digest() for digest in row_keys(digests)
    )
    return np.argsort(np.frombuffer(tickets, "<u8"), kind="stable")


def _deal(
    labels: _Integers, sizes: _Integers, validation: float
) -> tuple[_Integers, _Integers, _Integers]:
    """Return the positions of the train, calibration and validation images.

    Calibration is interleaved by class, so that its first N images show all classes evenly.
    """
    images = len(labels)
    calibrating = calibrating_of(sizes)
    validating = np.minimum(_share(sizes, round(images * validation)), sizes - 1 - calibrating)

    by_class = np.argsort(labels, kind="stable")
    rank = np.empty(images, np.int64)
    rank[by_class] = np.arange(images) - np.repeat(np.cumsum(sizes) - sizes, sizes)

    is_calibration = rank < calibrating[labels]
    is_train = rank >= (calibrating + validating)[labels]
    interleaved = np.lexsort((labels, rank))
    return (
        np.flatnonzero(is_train),
        interleaved[is_calibration[interleaved]],
        np.flatnonzero(~is_train & ~is_calibration),
    )


def calibrating_of(sizes: _Integers) -> _Integers:
    """Return the calibration images of each class, for classes with ``sizes`` training images."""
    images = int(sizes.sum())
    shares = _share(sizes, min(CALIBRATION_IMAGES, images * CALIBRATION_PERCENT // 100))
    return np.minimum(shares, sizes - 2)


def _share(sizes: _Integers, total: int) -> _Integers:
    """Distribute ``total`` in proportion (largest remainder), at least one to each class.

    In integers: the rounding of floats would break ties differently on other machines.
    """
    images = max(int(sizes.sum()), 1)
    shares, remainders = np.divmod(sizes * total, images)
    left = total - int(shares.sum())
    shares[np.argsort(-remainders, kind="stable")[:left]] += 1
    return np.maximum(shares, 1)


def _split(images: ImageSequence, labels: Targets, rows: _Integers) -> Split:
    return hashed(image_rows(images).at(rows), labels[rows])


def sampled(split: Split, most: int) -> Split:
    """Return up to ``most`` images of a split, drawn over the whole of it."""
    if len(split) <= most:
        return split
    return _split(split.images, split.labels, np.sort(sample_rows(len(split), most)))


def hashed(images: ImageSequence, labels: Targets) -> Split:
    """Return the split of images and their targets, with its hash."""
    if labels.dtype.names is None:
        labels = labels.astype(np.int64)
    return Split(images, labels, split_sha256(images, labels))
