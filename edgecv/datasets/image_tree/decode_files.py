"""The decoding of all files of a source, which goes on where a killed run has ended."""

import json
import warnings
from collections import Counter
from dataclasses import dataclass, field
from typing import Protocol, Self

import numpy as np
from pydantic import ValidationError

from edgecv.core.data import Images
from edgecv.core.errors import InputError
from edgecv.core.images import ImageRows
from edgecv.core.text import counted, listed, were
from edgecv.core.type_adapters import type_adapter
from edgecv.datasets.exact_copies import image_digests
from edgecv.datasets.image_tree.decoding import BadImage, decode_with_size, notes_of
from edgecv.datasets.image_tree.files import DecodedFiles, Decoding, EncodedImages
from edgecv.datasets.image_tree.folder_tree import Tree
from edgecv.datasets.image_tree.thread_pool import in_batches
from edgecv.datasets.workspace import Workspace


class PlacedTargets(Protocol):
    """The targets of annotated images, which are placed on each image as it is decoded."""

    def check(self, row: int) -> None:
        """Raise BadImage for an image that is not to be read."""

    def place(self, row: int, size: tuple[int, int]) -> None:
        """Keep the targets of the image of a row, by its width and height. Raises BadImage."""


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
    store.names = names
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
            found: Self = type_adapter(cls).validate_json(line)
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
