"""Image files of a folder or a zip: the options of their sources, and how they are decoded."""

import json
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from edgecv.core.data import Images, Shape, Targets
from edgecv.core.errors import InputError
from edgecv.core.images import ImageRows, Rows
from edgecv.core.plugins import DatasetSource, Progress
from edgecv.core.text import counted, listed, were
from edgecv.datasets.cache import cached
from edgecv.datasets.decoded import Decoded
from edgecv.datasets.exact_copies import Digests, image_digests
from edgecv.datasets.image_tree.decoding import BadImage, check_shape, decode_with_size, notes_of
from edgecv.datasets.image_tree.folder_tree import Tree
from edgecv.datasets.image_tree.thread_pool import in_batches
from edgecv.datasets.placement import Resize
from edgecv.datasets.workspace import Workspace


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
    source: str,
    tree: Tree,
    how: Decoding,
    decode: Callable[[Tree, Decoding, Workspace], Decoded],
) -> Decoded:
    """Return what ``decode`` makes of a tree, or of an earlier run of the same from the cache.

    ``source``: the name of the kind of data set.
    """
    key = source, tree.fingerprint(), *how.shape, how.skip_bad_images, how.resize
    return cached(lambda work: decode(tree, how, work), *key)


class EncodedImages:
    """A store of images in their own files, which are decoded each time that they are taken."""

    file: Path | None = None

    def __init__(self, tree: Tree, names: list[str], how: Decoding) -> None:
        self.shape: tuple[int, ...] = (len(names), *how.shape)
        self._tree, self._names, self._how = tree, names, how

    def take(self, rows: Rows) -> Images:
        """Decode some images. Raises InputError for one that has changed since it was read."""
        found = np.empty((len(rows), *self.shape[1:]), np.uint8)

        def decode(places: range) -> None:
            how = self._how
            for place in places:
                name = self._names[rows[place]]
                try:
                    found[place] = decode_with_size(self._tree.read(name), how.shape, how.resize)[0]
                except BadImage as error:
                    raise InputError(
                        how.where,
                        f"{name} cannot be read any more: {error}",
                        remedy="leave the images alone while they are used",
                    ) from None

        in_batches(len(rows), decode, lambda done, total: None, found[:1].nbytes)
        return found


@dataclass(frozen=True)
class DecodedFiles:
    """The images of some files, in their order."""

    images: ImageRows
    digests: Digests
    good: NDArray[np.bool_]
    """True for each image that was decoded."""
    notes: tuple[str, ...]

    def decoded(
        self,
        class_names: tuple[str, ...],
        labels: Targets,
        is_test: NDArray[np.bool_],
        *,
        notes: tuple[str, ...] = (),
        **others: Any,
    ) -> Decoded:
        """Return the good ones with their targets, those before the test images as training images.

        ``notes`` come before those on files; ``others``: see ``Decoded``.
        """
        train, test = self.good & ~is_test, self.good & is_test
        return Decoded(
            class_names,
            self.images.at(train),
            labels[train],
            self.images.at(test),
            labels[test],
            (*notes, *self.notes),
            (self.digests[train], self.digests[test]),
            **others,
        )


def decode_files(
    tree: Tree,
    names: list[str],
    sizes: list[int],
    how: Decoding,
    work: Workspace,
    targets: PlacedTargets | None = None,
) -> DecodedFiles:
    """Decode files of a tree. ``sizes``: bytes of each file.

    Raises InputError for bad ones unless they are to be skipped.
    """
    parts = _decode_all(tree, names, sum(sizes) // len(names), how, work, targets)
    changes = sum((Counter(each.changes) for each in parts), Counter[str]())
    notes = [*notes_of(changes, how.shape)]
    bad = [found for each in parts for found in each.bad.items()]
    good = np.ones(len(names), bool)
    if bad:
        good[[row for row, _ in bad]] = False
        notes.append(_judge_bad(bad, names, how, targets is not None))
    hashes = np.frombuffer(b"".join(bytes.fromhex(each.digests) for each in parts), np.uint8)
    digests = hashes.reshape(len(names), -1)
    store = EncodedImages(tree, names, how) if work.decodes_again else work.store()
    return DecodedFiles(ImageRows.all_of(store), digests, good, tuple(notes))


@dataclass
class _Part:
    """Consecutive images that were decoded."""

    first: int
    changes: Counter[str] = field(default_factory=Counter)
    bad: dict[int, str] = field(default_factory=dict)
    """Row -> reason."""
    sizes: list[tuple[int, int]] = field(default_factory=list)
    """Width and height of each image in its file; 0 where it is bad."""
    digests: str = ""

    @classmethod
    def read(cls, line: str) -> Self | None:
        """Return the part of a line that was kept; None where it is damaged."""
        try:
            found: Self = TypeAdapter(cls).validate_json(line)
        except ValidationError:
            return None
        rows = range(found.first, found.first + len(found.sizes))
        return found if all(row in rows for row in found.bad) else None


def _decode_all(
    tree: Tree,
    names: list[str],
    bytes_each: int,
    how: Decoding,
    work: Workspace,
    targets: PlacedTargets | None,
) -> list[_Part]:
    """Decode every file into its row, unless a killed run has. Rows of bad images stay 0."""
    if not work.decodes_again:
        work.reserve((len(names), *how.shape))
    known = {part.first: part for part in map(_Part.read, work.finished()) if part is not None}

    def decode(rows: range) -> _Part:
        part = _Part(rows.start)
        some = np.zeros((len(rows), *how.shape), np.uint8)
        for place, row in enumerate(rows):
            size = 0, 0
            try:
                if targets is not None:
                    targets.check(row)
                content = tree.read(names[row])
                some[place], changes, size = decode_with_size(content, how.shape, how.resize)
                if targets is not None:
                    targets.place(row, size)
                part.changes.update(changes)
            except BadImage as error:
                part.bad[row] = str(error)
            part.sizes.append(size)
        if not work.decodes_again:
            work.put(rows.start, some)
        part.digests = _hashes(some)
        work.finish(json.dumps(vars(part)))
        return part

    def decode_once(rows: range) -> _Part:
        part = known.get(rows.start)
        # After a power cut, a part may be known whose pixels are not on the disk.
        if part is None or len(part.sizes) != len(rows):
            return decode(rows)
        if part.digests != _hashes(work.store().take(np.array(rows))):
            return decode(rows)
        for row, size in zip(rows, part.sizes, strict=True):
            if targets is not None and row not in part.bad:
                targets.place(row, size)
        return part

    with warnings.catch_warnings():
        # Pillow's own limit is above ours; it would warn on stderr before we refuse
        warnings.filterwarnings("error", message="Image size")
        return in_batches(len(names), decode_once, how.progress, bytes_each)


def _hashes(images: Images) -> str:
    return image_digests(images).tobytes().hex()


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
