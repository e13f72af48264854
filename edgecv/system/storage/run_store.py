"""Folders that are published atomically, and the stored stages of interrupted runs.

A folder is filled under ``.partial/``, sealed with a manifest, and moved to its place in one step.
The next run removes what an interrupted one has left.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, Self

from edgecv.core.errors import InputError, StepError
from edgecv.system.storage.atomic_files import (
    FULL,
    check_space,
    exchange,
    existing,
    flush,
    on_disk,
    refusal,
)
from edgecv.system.storage.locks import hold
from edgecv.system.storage.manifest import check_outside_runs, check_seal, seal
from edgecv.system.storage.packing import unpack

RESERVED_NAMES = ("baselines", "logs")
SPACE_BYTES = 64_000_000
"""Space for the files, finished steps and checkpoints of a small run, with some reserve."""


class StageSharing(Protocol):
    """Stages that several stores share: asked for before one is made, announced once it is."""

    def fetch(self, kind: str, name: str) -> bool:
        """Put a stage that another store has made, or is making, into this one and return True.

        False: it is to be made here, and others wait for it.
        """

    def publish(self, kind: str, name: str) -> None:
        """Give a stage that was made here to the others."""


class Store:
    """The output folder: runs and baselines for users, ``.store`` for resuming.

    ``group``: the folder in it that new runs are written to, where they are those of a search.
    ``sharing``: other stores that make the same stages, each of them once. ``say``: takes a line on
    another process that is waited for.
    """

    def __init__(
        self,
        root: Path,
        group: str = "",
        sharing: StageSharing | None = None,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.root = root
        self.group = group
        self.sharing = sharing
        self.say = say

    @classmethod
    def at(cls, output: str, group: str = "") -> Self:
        """Return the store of ``--output``. Raises InputError where it is empty, or in a run."""
        if not output:
            raise InputError("--output", "is empty", accepted="a folder")
        check_outside_runs(Path(output) / ".store", "--output")
        return cls(Path(output), group)

    def place(self, kind: str, name: str) -> Path:
        """Return the folder of a stage, by its kind and name."""
        base = self.root if kind == "baselines" else self.root / ".store"
        return base / kind / name

    def run_folder(self, name: str) -> Path:
        """Return the folder of the run called ``name``."""
        return self.root / self.group / name

    def find(self, kind: str, name: str) -> Path | None:
        """Return a finished stage, or None. A damaged one is removed, to be made again."""
        place = self.place(kind, name)
        if not place.is_dir():
            if os.path.lexists(place):
                place.unlink()
            return None
        try:
            check_seal(place)
        except InputError as damage:
            if kind == "baselines":  # For users, who may have changed it: not removed.
                raise InputError(
                    damage.where,
                    damage.found,
                    remedy=f"move {place} away, and it is trained again",
                ) from None
            shutil.rmtree(place)
            return None
        return place

    def stage(self, kind: str, name: str, make: Callable[[Path], None]) -> Path:
        """Return a finished stage; ``make`` fills its folder where there is none.

        A second process that needs the same stage waits for the first and uses its result.
        """
        place = self.place(kind, name)

        def on_wait(holder: str) -> None:
            self.say(f"waiting for {holder}, which is at work on the same {kind}")

        with self.lock(f"{kind}-{name}", on_wait=on_wait):
            is_there = self.find(kind, name) is not None
            if not is_there and (self.sharing is None or not self.sharing.fetch(kind, name)):
                with self.writing(place, replace=True) as folder:
                    make(folder)
                if self.sharing is not None:
                    self.sharing.publish(kind, name)
        return place

    def receive(self, place: Path, content: bytes, *, replace: bool = False) -> None:
        """Write a sealed folder of another store to its place, unless it is there.

        ``replace``: write it in any case. Raises InputError where it did not arrive as sealed.
        """
        if replace or not place.exists():
            with self.writing(place, replace=replace) as folder:
                unpack(content, folder)

    @contextmanager
    def writing(self, place: Path, *, replace: bool = False) -> Iterator[Path]:
        """Yield an empty folder; on success seal it and move it to ``place`` in one step."""
        draft = self.root / ".partial" / f"{place.parent.name}-{place.name}"
        with self.lock(f"draft-{draft.name}", label=place.name):
            self._recover(draft, place)
            self._make(draft)
            try:
                with on_disk(place):
                    yield draft
                    seal(draft)
                    self._publish(draft, place, replace)
            finally:
                shutil.rmtree(draft, ignore_errors=True)

    def _recover(self, draft: Path, place: Path) -> None:
        """Remove the draft of a killed process; put back the folder it had moved aside."""
        shutil.rmtree(draft, ignore_errors=True)
        old = _aside(draft)
        if old.exists() and not place.exists():
            old.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def _publish(self, draft: Path, place: Path, replace: bool) -> None:
        self._make(place.parent)
        if place.exists() and not replace:
            raise StepError(str(place), "appeared while this was running", remedy="choose a name")
        if place.is_dir() and not place.is_symlink() and exchange(draft, place):
            flush(place.parent)
            flush(draft.parent)
            return  # The draft is what was replaced, and goes.
        old = _aside(draft)
        if place.exists():
            place.rename(old)
        try:
            draft.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
        flush(place.parent)
        flush(draft.parent)
        shutil.rmtree(old, ignore_errors=True)

    def checkpoint(self, key: str, suffix: str = ".npz") -> Path:
        """Return the file with the progress of an unfinished stage."""
        self._make(self.root / ".store" / "checkpoints")
        return self.root / ".store" / "checkpoints" / f"{key}{suffix}"

    def forget(self, key: str) -> None:
        """Remove the checkpoints of a finished stage, and their temporary files."""
        folder = self.root / ".store" / "checkpoints"
        for path in (*folder.glob(f"{key}*"), *folder.glob(f".{key}*.tmp")):
            path.unlink(missing_ok=True)

    @contextmanager
    def lock(
        self, name: str, *, label: str = "", on_wait: Callable[[str], None] | None = None
    ) -> Iterator[None]:
        """Hold the lock of a name; wait for it, or raise InputError that names the holder."""
        folder = self.root / ".store" / "locks"
        self._make(folder)
        with (
            on_disk(folder),
            hold(
                folder / f"{name}.lock",
                where=str(self.root),
                label=label or name,
                on_wait=on_wait,
            ),
        ):
            yield

    def check_writable(self, needed_bytes: int = SPACE_BYTES) -> None:
        """Raise InputError if the folder cannot be written or has no space; change nothing."""
        there = existing(self.root)
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            raise InputError(
                str(self.root),
                "cannot be written" if there.is_dir() else f"{there} is not a folder",
                remedy="use --output with another folder",
            )
        if (self.root / "baselines").exists() and not (self.root / "baselines").is_dir():
            raise InputError(str(self.root / "baselines"), "is not a folder", remedy="move it away")
        check_space(self.root, needed_bytes, "free some, or use --output with another folder")

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            if error.errno in FULL:
                raise refusal(folder, error) from None
            raise InputError(
                str(folder),
                f"cannot be made: {error.strerror}",
                remedy="use --output with another folder",
            ) from None


def _aside(draft: Path) -> Path:
    """Return the temporary place of a folder that is being replaced."""
    return draft.with_name(f"{draft.name}.old")
