"""A data set of images in one folder for each class."""

import os
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Dataset, Images, Shape
from edgecv.core.errors import InputError
from edgecv.core.files import check_regular
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.text import counted, listed, were
from edgecv.datasets.cache import Decoded, cached
from edgecv.datasets.image_tree.decoding import BadImage, check_shape, decode_with_size, notes_of
from edgecv.datasets.image_tree.folder_tree import LAYOUT, FolderTree, Tree, has_splits, locate
from edgecv.datasets.image_tree.layout import read_layout
from edgecv.datasets.image_tree.thread_pool import in_batches
from edgecv.datasets.image_tree.zip_tree import ZipTree
from edgecv.datasets.placement import Resize
from edgecv.datasets.splits import calibrating_of


class ImageTree(DatasetSource):
    """A folder or .zip with train/<class>/ and test/<class>/ of PNG, JPEG, WebP or BMP images.

    Images are converted to the size and channels of the model. ``test/`` alone is enough to
    measure with. ``val/``, ``valid/`` or ``validation/`` is the validation split; where there is no
    ``test/``, it is the test split. Nothing is extracted; decoded images are cached.
    """

    name: ClassVar[str] = "images"
    path: str
    """The folder or the zip."""
    skip_bad_images: bool = False
    """Leave out images that cannot be read, instead of stopping."""
    resize: Resize | None = None
    """Fit of photographs of another aspect: stretch (the default), crop, or pad."""

    @classmethod
    def accepts(cls, path: Path) -> bool:
        """Return True for a .zip, or a folder with train/ or test/ in it."""
        if path.is_dir():
            return has_splits(path)
        return path.suffix.lower() == ".zip" and path.is_file()

    def most_calibration_images(self) -> int | None:
        """Return the number of calibration images by the files; None where there is no such tree.

        0 where there is only test/.
        """
        where = f"--data {self.path}"
        tree = _tree(locate(self.path), where)
        if tree is None:
            return None
        layout = read_layout(tree.listing(), where)
        if not layout.train:
            return 0
        sizes = np.bincount([label for _, label in layout.train])
        return max(1, int(calibrating_of(sizes).sum()))

    def load(self, shape: Shape, seed: int, progress: Progress) -> Dataset:
        """Decode the images, or read them from the cache: see DatasetSource."""
        where = f"--data {self.path}"
        path = locate(self.path)
        check_shape(shape, where)
        tree = _tree(path, where)
        if tree is None:
            raise InputError(where, "there is no such file or folder", accepted=LAYOUT)
        how = Decoding(shape, where, self.skip_bad_images, self.resize or "stretch", progress)
        decoded = decoded_once(self.name, tree, how, _decode_tree)
        return decoded.split(path.resolve().name, where, self.validation, seed)


def _tree(path: Path, where: str) -> Tree | None:
    check_regular(path, where, accepted=LAYOUT, folders=True)
    if os.path.isdir(path):
        return FolderTree(path, where)
    return ZipTree(path, where) if os.path.isfile(path) else None


@dataclass(frozen=True)
class Decoding:
    """The way in which the images of a data set are decoded."""

    shape: Shape
    where: str
    """The place that errors name."""
    skip_bad_images: bool
    resize: Resize
    progress: Progress


class PlacedTargets(Protocol):
    """The targets of annotated images, which are placed on each image as it is decoded."""

    def check(self, row: int) -> None:
        """Raise BadImage for an image that is not to be read."""

    def place(self, row: int, size: tuple[int, int]) -> None:
        """Keep the targets of the image of a row, by its width and height. Raises BadImage."""


def decoded_once(
    source: str, tree: Tree, how: Decoding, decode: Callable[[Tree, Decoding], Decoded]
) -> Decoded:
    """Return what ``decode`` makes of a tree, or of an earlier run of the same from the cache.

    ``source``: the name of the kind of data set.
    """
    key = source, tree.fingerprint(), *how.shape, how.skip_bad_images, how.resize
    return cached(lambda: decode(tree, how), *key)


@dataclass(frozen=True)
class _Outcome:
    """The result of decoding some images. ``bad`` holds rows and reasons."""

    changes: Counter[str]
    bad: list[tuple[int, str]]


def _decode_tree(tree: Tree, how: Decoding) -> Decoded:
    listing = tree.listing()
    layout = read_layout(listing, how.where)
    pictures = (*layout.train, *layout.validation, *layout.test)
    names = [name for name, _ in pictures]
    sizes = [listing.files[name] for name in names]
    images, good, notes = decode_files(tree, names, sizes, how)
    labels = np.array([label for _, label in pictures], np.int64)
    is_train = np.arange(len(pictures)) < len(layout.train) + len(layout.validation)
    is_chosen = is_train & (np.arange(len(pictures)) >= len(layout.train))
    return Decoded(
        layout.class_names,
        *_take(images, labels, good & is_train),
        *_take(images, labels, good & ~is_train),
        (*layout.notes, *notes),
        chosen_images=int((good & is_chosen).sum()),
    )


def decode_files(
    tree: Tree,
    names: list[str],
    sizes: list[int],
    how: Decoding,
    targets: PlacedTargets | None = None,
) -> tuple[Images, NDArray[np.bool_], tuple[str, ...]]:
    """Decode files of a tree: uint8 (N, H, W, C), True for each decoded one (N,), notes.

    ``sizes``: bytes of each file. Raises InputError for bad ones unless they are to be skipped.
    """
    bytes_each = sum(sizes) // len(names)
    images, outcome = _decode_all(tree, names, bytes_each, how, targets)
    notes = [*notes_of(outcome.changes, how.shape)]
    good = np.ones(len(names), bool)
    if outcome.bad:
        good[[row for row, _ in outcome.bad]] = False
        are_annotated = targets is not None
        notes.append(_judge_bad(outcome.bad, names, how, are_annotated))
    return images, good, tuple(notes)


def _decode_all(
    tree: Tree,
    names: list[str],
    bytes_each: int,
    how: Decoding,
    targets: PlacedTargets | None,
) -> tuple[Images, _Outcome]:
    """Decode every file into its row: uint8 (N, H, W, C). Rows of bad images stay 0."""
    images = np.zeros((len(names), *how.shape), np.uint8)

    def work(rows: range) -> _Outcome:
        outcome = _Outcome(Counter(), [])
        for row in rows:
            try:
                if targets is not None:
                    targets.check(row)
                content = tree.read(names[row])
                images[row], changes, size = decode_with_size(content, how.shape, how.resize)
                if targets is not None:
                    targets.place(row, size)
                outcome.changes.update(changes)
            except BadImage as error:
                outcome.bad.append((row, str(error)))
        return outcome

    with warnings.catch_warnings():
        # Pillow's own limit is above ours; it would warn on stderr before we refuse
        warnings.filterwarnings("error", message="Image size")
        outcomes = in_batches(len(names), work, how.progress, bytes_each)
    return images, _Outcome(
        sum((outcome.changes for outcome in outcomes), Counter[str]()),
        [bad for outcome in outcomes for bad in outcome.bad],
    )


def _judge_bad(
    bad: list[tuple[int, str]], names: list[str], how: Decoding, are_annotated: bool
) -> str:
    """Return the note, or raise InputError unless they are to be skipped."""
    named = [f"{names[row]} ({reason})" for row, reason in bad]
    count = f"{counted(len(bad), 'image')}"
    cannot = "cannot be used" if are_annotated else "cannot be read"
    if how.skip_bad_images:
        return (
            f"{count} that {cannot} {were(len(bad))} left out{' with targets' * are_annotated}: "
            f"{listed(named, 20)}"
        )
    raise InputError(
        how.where,
        f"{count} {cannot}: {listed(named, 3)}",
        remedy="mend or remove them; --skip-bad-images leaves them out",
    )


def _take(
    images: Images, labels: NDArray[np.int64], rows: NDArray[np.bool_]
) -> tuple[Images, NDArray[np.int64]]:
    return images[rows], labels[rows]
