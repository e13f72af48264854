"""What edgecv keeps and finds again: a search, the cache of images, a decoding that was killed.

The first byte of a mutant is the number of its file, and stays.
"""

import atexit
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from .attacks import check_text, checked_command, refused_or
from .mutations import Random, of_bytes, of_json, of_text

SEARCH = ("journal.log", "search.json")
CACHED = ("meta.json", "train_rows.npy", "test_labels.npy", "train_digests.npy", "images.npy")
DRAFT = ("parts.jsonl", "images.npy")


@cache
def _folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="edgecv-fuzz-stored-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _numbered(folder: Path, names: Sequence[str]) -> list[bytes]:
    return [bytes([number]) + (folder / name).read_bytes() for number, name in enumerate(names)]


def of_stored(content: bytes, seeds: Sequence[bytes], chance: Random) -> bytes:
    """Edit JSON as JSON, lines of it one by one, arrays as bytes."""
    own = content[1:]
    if not own.startswith(b"{"):
        return content[:1] + of_bytes(own, [own], chance)
    lines = own.splitlines(keepends=True)
    if len(lines) == 1 or not all(line.startswith(b"{") for line in lines):
        return content[:1] + of_json(own, [own], chance)
    if chance.random() < 0.3:
        return content[:1] + of_text(own, [own], chance)
    place = chance.randrange(len(lines))
    lines[place] = of_json(lines[place], lines, chance) + b"\n"
    return content[:1] + b"".join(lines)


@cache
def _search_folder() -> Path:
    """Return the folder of a search of four trials, three of which are done."""
    from dataclasses import replace

    from edgecv.pipeline.search.checks import former_limits
    from edgecv.pipeline.search.trial import TrialFigures

    folder = _folder() / "exported" / "stored"
    folder.mkdir(parents=True)
    former_limits(folder, _identity())
    proposals = _proposals(folder)
    figures = TrialFigures(100, -1.0, 2.5, 1000, 900, 5000, 4.5, 2.0)
    for number, trial in enumerate(proposals.generation(0, 4, {}, _none_is_refused)):
        done: tuple[dict[str, Any], ...] = (
            {"state": "finished", "figures": figures, "outcome": "passed"},
            {"state": "screened", "figures": figures, "screened": figures},
            {"state": "failed", "reason": "it did not end"},
            {},
        )
        ended = replace(trial, **done[number])
        proposals.keep(ended)
        if number < 3:
            proposals.tell(ended, {"max_drop_points": 0.1})
    return folder


def _none_is_refused(recipe: object) -> None:
    pass


def _identity() -> dict[str, Any]:
    return {
        "data": "0" * 64,
        "limits": {},
        "sampler": "tpe",
        "generation": 4,
        "training": {},
        "screening": 1.0,
    }


def _proposals(folder: Path) -> Any:
    from edgecv.pipeline.search.options import SearchOptions
    from edgecv.pipeline.search.proposals import Proposals
    from edgecv.pipeline.search.space import first_recipes, space_of

    base = SearchOptions(name="stored", data="digits", output=folder.parent).to_recipe()
    space = space_of(base)
    proposals = Proposals(folder, space, base, "tpe", population=4)
    proposals.first(first_recipes(space, base, {}))
    return proposals


def searches() -> list[bytes]:
    """Return the journal and the identity of a search."""
    return _numbered(_search_folder(), SEARCH)


def read_search(path: Path) -> object:
    """Show a search, and go on with it."""
    from edgecv.pipeline.search.checks import former_limits
    from edgecv.pipeline.search.front import front_of
    from edgecv.pipeline.search.trial_lines import status_text

    content = path.read_bytes()
    folder = path.parent / "run" / "stored"
    shutil.rmtree(folder.parent, ignore_errors=True)
    shutil.copytree(_search_folder(), folder)
    (folder / SEARCH[content[0]]).write_bytes(content[1:])
    status = ["search", "--status", "--name", "stored", "--output", str(folder.parent)]
    refused_or(checked_command([*status, "--data", "digits"]))
    former_limits(folder, _identity())
    proposals = _proposals(folder)
    check_text(status_text("stored", proposals.trials))
    proposals.generation(0, 4, {}, _none_is_refused)
    return len(front_of(proposals.trials))


@contextmanager
def _cache_in(folder: Path) -> Iterator[Path]:
    """Decode into a cache in a folder; yield where the entries are."""
    before = os.environ.get("EDGECV_CACHE_DIR")
    os.environ["EDGECV_CACHE_DIR"] = str(folder)
    try:
        yield folder / "decoded"
    finally:
        os.environ.pop("EDGECV_CACHE_DIR")
        if before is not None:
            os.environ["EDGECV_CACHE_DIR"] = before


@cache
def _photos() -> Path:
    """Return a folder of tiny pictures in two classes."""
    from PIL import Image

    folder, random = _folder() / "photos", np.random.default_rng(0)
    for number in range(40):
        split, name = ("test", "train")[number % 5 > 0], ("cat", "dog")[number % 2]
        place = folder / split / name
        place.mkdir(parents=True, exist_ok=True)
        pixels = random.integers(0, 256, (8, 8, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{number}.png")
    return folder


def _load() -> Any:
    from edgecv.datasets.resolve import resolve

    return resolve(str(_photos())).load((8, 8, 3), 0, lambda done, total: None)


@cache
def _good() -> Any:
    """Return the data set, decoded without a cache."""
    with patch.dict(os.environ, {"EDGECV_NO_CACHE": "1"}):
        return _load()


@cache
def _entry() -> Path:
    """Return a finished entry of the cache."""
    with _cache_in(_folder() / "finished") as entries:
        _load()
        (entry,) = (each for each in entries.iterdir() if each.is_dir())
    return entry


@cache
def _draft() -> Path:
    """Return an entry whose decoding was killed before it was published."""
    with _cache_in(_folder() / "killed") as entries:
        dies = patch("edgecv.datasets.cache._write", side_effect=InterruptedRun)
        with dies, suppress(InterruptedRun):
            _load()
        (entry,) = entries.iterdir()
    return entry


class InterruptedRun(BaseException):
    """Ends a run between the decoding and the entry."""


def cache_entries() -> list[bytes]:
    """Return the files of a finished entry."""
    return _numbered(_entry(), CACHED)


def drafts() -> list[bytes]:
    """Return the files of an entry that was not finished."""
    return _numbered(_draft(), DRAFT)


def read_entry(path: Path) -> object:
    """Load images whose entry in the cache was damaged."""
    return _reloaded(path, _entry(), CACHED)


def read_draft(path: Path) -> object:
    """Load images whose decoding was killed, and whose draft was damaged."""
    return _reloaded(path, _draft(), DRAFT)


def _reloaded(path: Path, entry: Path, names: Sequence[str]) -> object:
    content = path.read_bytes()
    folder = path.parent / "run"
    shutil.rmtree(folder, ignore_errors=True)
    place = folder / "decoded" / entry.name
    shutil.copytree(entry, place)
    (place / names[content[0]]).write_bytes(content[1:])
    with _cache_in(folder):
        found = _load()
    is_image = names[content[0]] == "images.npy" and names is DRAFT  # Only rows that were kept.
    for split in ("train", "validation", "calibration", "test"):
        own, good = getattr(found, split), getattr(_good(), split)
        assert np.array_equal(own.labels, good.labels), split
        assert is_image or np.array_equal(own.images[:], good.images[:]), split
    assert [isinstance(name, str) for name in found.class_names] == [True, True]
    check_text("\n".join([*found.class_names, *found.notes]))
    return found.notes
