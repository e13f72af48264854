"""``exported/`` on disk: keys, atomic writes, locks, manifests, resume.

A folder in the store appears whole or not at all: it is filled under ``.partial/``, sealed with a
manifest, and moved to its place in one step. What was killed half-way is swept by the next run.
"""

import gzip
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from edgecv.errors import InputError, StepError
from edgecv.records import Artifact, Format, Layer

MANIFEST = "manifest.json"
RESERVED_NAMES = ("baselines",)


def content_key(*parts: Any) -> str:
    """Return a key of 64 hex digits for what a stage is made from.

    >>> content_key({"b": 1, "a": 2}) == content_key({"a": 2, "b": 1})
    True
    """
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def tree_sha256(path: Path) -> str:
    """Return the SHA-256 of a file, or of all files of a folder with their names."""
    if not path.is_dir():
        return file_sha256(path)
    files = sorted(each for each in path.rglob("*") if each.is_file())
    return content_key([[str(each.relative_to(path)), file_sha256(each)] for each in files])


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file whole or not at all. Raises StepError where the disk does not take it."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _flush_folder(path.parent)
    except OSError as error:
        raise StepError(str(path), f"cannot be written: {error.strerror}") from error
    finally:
        temporary.unlink(missing_ok=True)


def write_json(path: Path, value: Any) -> None:
    """Write JSON, indented and sorted as given."""
    write_bytes(path, (json.dumps(value, indent=2, allow_nan=False) + "\n").encode())


def describe(
    path: Path,
    *,
    format: Format,
    precision: str,
    notes: tuple[str, ...] = (),
    layers: tuple[Layer, ...] = (),
) -> Artifact:
    """Return the facts of a file: bytes, gzip -9 bytes, SHA-256."""
    data = path.read_bytes()
    return Artifact(
        path=path.name,
        format=format,
        precision=precision,
        bytes=len(data),
        gzip_bytes=len(gzip.compress(data, compresslevel=9, mtime=0)),
        sha256=hashlib.sha256(data).hexdigest(),
        notes=notes,
        layers=layers,
    )


def seal(folder: Path) -> None:
    """Write the manifest of a finished folder: SHA-256 and bytes of each file."""
    files = {
        path.relative_to(folder).as_posix(): {
            "sha256": file_sha256(path),
            "bytes": path.stat().st_size,
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != MANIFEST
    }
    write_json(folder / MANIFEST, {"schema_version": 1, "files": files})


def check_seal(folder: Path) -> None:
    """Raise InputError if a file of a sealed folder is missing, changed or not in the manifest."""
    listed = _manifest_files(folder)
    present = {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.name != MANIFEST
    }
    if missing := sorted(set(listed) - present):
        raise InputError(str(folder / missing[0]), "is in the manifest but not on disk")
    if extra := sorted(present - set(listed)):
        raise InputError(str(folder / extra[0]), "is not in the manifest", remedy="move it away")
    for name, facts in listed.items():
        if file_sha256(folder / name) != facts["sha256"]:
            raise InputError(
                str(folder / name),
                "is not the file that the run wrote: its SHA-256 differs from manifest.json",
            )


def _manifest_files(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    path = folder / MANIFEST
    try:
        files = json.loads(path.read_text("utf-8"))["files"]
    except FileNotFoundError:
        raise InputError(
            str(folder), "holds no manifest.json", accepted="a run or baseline that edgecv wrote"
        ) from None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        files = None
    if not isinstance(files, dict) or not all(
        isinstance(facts, dict) and "sha256" in facts for facts in files.values()
    ):
        raise InputError(str(path), "is damaged")
    return files


class Store:
    """The output folder. Runs and baselines are for people; ``.store`` is for resuming."""

    def __init__(self, root: Path) -> None:
        self.root = root

    @classmethod
    def at(cls, output: str) -> Self:
        """Return the store of ``--output``. Raises InputError where it is empty."""
        if not output:
            raise InputError("--output", "is empty", accepted="a folder")
        return cls(Path(output))

    def place(self, kind: str, name: str) -> Path:
        """Return where a stage of a kind belongs."""
        base = self.root if kind == "baselines" else self.root / ".store"
        return base / kind / name

    def run_folder(self, name: str) -> Path:
        """Return where the run called ``name`` belongs."""
        return self.root / name

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
            if kind == "baselines":  # People look at these and may have changed one: not ours.
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

        A second process that wants the same stage waits for the first and takes what it made.
        """
        place = self.place(kind, name)
        with self.lock(f"{kind}-{name}", wait=True):
            if self.find(kind, name) is None:
                self._fill(place, make)
        return place

    def _fill(self, place: Path, make: Callable[[Path], None]) -> None:
        with self.writing(place, replace=True) as folder:
            make(folder)

    @contextmanager
    def writing(self, place: Path, *, replace: bool = False) -> Iterator[Path]:
        """Give an empty folder; on success seal it and move it to ``place`` in one step."""
        draft = self.root / ".partial" / f"{place.parent.name}-{place.name}"
        with self.lock(f"draft-{draft.name}", label=place.name):
            self._recover(draft, place)
            self._make(draft)
            try:
                yield draft
                seal(draft)
                self._publish(draft, place, replace)
            finally:
                shutil.rmtree(draft, ignore_errors=True)

    def _recover(self, draft: Path, place: Path) -> None:
        """Sweep what a killed process left; put back what it had moved aside to replace."""
        shutil.rmtree(draft, ignore_errors=True)
        old = _aside(draft)
        if old.exists() and not place.exists():
            old.rename(place)
        shutil.rmtree(old, ignore_errors=True)

    def _publish(self, draft: Path, place: Path, replace: bool) -> None:
        self._make(place.parent)
        if place.exists() and not replace:
            raise StepError(str(place), "appeared while this was running", remedy="choose a name")
        old = _aside(draft)
        if place.exists():
            place.rename(old)
        try:
            draft.rename(place)
        except OSError:
            if old.exists():
                old.rename(place)
            raise
        _flush_folder(place.parent)
        shutil.rmtree(old, ignore_errors=True)

    def checkpoint(self, key: str, suffix: str = ".npz") -> Path:
        """Return the file that keeps what an unfinished stage has done."""
        self._make(self.root / ".store" / "checkpoints")
        return self.root / ".store" / "checkpoints" / f"{key}{suffix}"

    def forget(self, key: str) -> None:
        """Remove the checkpoints of a stage: it is finished."""
        for path in (self.root / ".store" / "checkpoints").glob(f"{key}*"):
            path.unlink(missing_ok=True)

    @contextmanager
    def lock(self, name: str, *, wait: bool = False, label: str = "") -> Iterator[None]:
        """Hold a name against other processes; wait for it, or raise InputError that says who."""
        from filelock import FileLock, Timeout

        folder = self.root / ".store" / "locks"
        self._make(folder)
        path = folder / f"{name}.lock"
        holder = path.with_suffix(".holder")
        try:
            with FileLock(path, timeout=-1 if wait else 0):
                holder.write_text(f"process {os.getpid()}")
                try:
                    yield
                finally:
                    holder.unlink(missing_ok=True)
        except Timeout:
            who = holder.read_text() if holder.exists() else "another process"
            raise InputError(
                str(self.root),
                f"{who} is already working on {label or name}",
                remedy="wait, or use --name",
            ) from None

    def check_writable(self) -> None:
        """Raise InputError if nothing can be written here; make nothing."""
        existing = self.root
        while not existing.exists() and existing != existing.parent:
            existing = existing.parent
        if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
            raise InputError(
                str(self.root),
                "cannot be written" if existing.is_dir() else f"{existing} is not a folder",
                remedy="use --output with another folder",
            )
        if (self.root / "baselines").exists() and not (self.root / "baselines").is_dir():
            raise InputError(str(self.root / "baselines"), "is not a folder", remedy="move it away")

    def _make(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(
                str(folder),
                f"cannot be made: {error.strerror}",
                remedy="use --output with another folder",
            ) from None


def _aside(draft: Path) -> Path:
    """Return where a folder waits while its replacement takes its place."""
    return draft.with_name(f"{draft.name}.old")


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
