"""Image files of a folder or a zip: the options of their sources, and how they are decoded."""

import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from edgecv.core.data import Images, Shape
from edgecv.core.errors import InputError
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.text import counted, listed, were
from edgecv.datasets.cache import Decoded, cached
from edgecv.datasets.image_tree.decoding import BadImage, check_shape, decode_with_size, notes_of
from edgecv.datasets.image_tree.folder_tree import Tree
from edgecv.datasets.image_tree.thread_pool import in_batches
from edgecv.datasets.placement import Resize


class ImageFileSource(DatasetSource):
    """A source of image files, which are converted to the size and channels of the model."""

    path: str
    """The folder, the zip, or the file of annotations."""
    skip_bad_images: bool = False
    """Leave out images that cannot be used, with their targets, instead of stopping."""
    resize: Resize | None = None
    """Fit of photographs of another aspect: stretch (the default), crop, or pad."""

    @property
    def where(self) -> str:
        """The place that errors name."""
        return f"--data {self.path}"

    def decoding(self, shape: Shape, progress: Progress) -> "Decoding":
        """Return how the images are decoded. Raises InputError for a shape of no image."""
        check_shape(shape, self.where)
        return Decoding(shape, self.where, self.skip_bad_images, self.resize or "stretch", progress)


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
