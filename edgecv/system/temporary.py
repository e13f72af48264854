"""The temporary folder of this process: removed when it ends, and swept where it was killed.

TensorFlow leaves files where temporary files go, and a killed process leaves all of its own. So the
files of a process and of its children lie in one folder that holds a lock as long as the process
lives; the next process removes the folders of its own user whose lock nobody holds.
"""

import atexit
import fcntl
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from edgecv.core.errors import StepError

PREFIX = "edgecv-session-"
OWNER = "owner"
"""File in such a folder, locked by the process that it belongs to."""
UNOWNED_S = 3600.0
"""Age of a folder without a lock file: its process died, or is about to make one."""


@dataclass
class _Session:
    folder: Path
    pid: int
    owner: int
    """Descriptor of the lock: the system lets go of it when the process ends, in whatever way."""


@dataclass
class _Current:
    session: _Session | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_CURRENT = _Current()


def session_folder() -> Path:
    """Return the temporary folder of this process, made at its first use."""
    with _CURRENT.lock:
        found = _CURRENT.session
        if found is None or found.pid != os.getpid() or not found.folder.is_dir():
            root = _root() if found is None else found.folder.parent
            found = _CURRENT.session = _new_session(root)
        return found.folder


def folder_of_child() -> Path:
    """Return a new folder for the temporary files of one child process."""
    return Path(tempfile.mkdtemp(prefix="child-", dir=session_folder()))


@contextmanager
def all_temporary_files_in_session() -> Iterator[Path]:
    """Put all temporary files of this process, those of libraries too, into its folder."""
    folder = session_folder()
    before = tempfile.tempdir, os.environ.get("TMPDIR")
    tempfile.tempdir = os.environ["TMPDIR"] = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = before[0]
        if before[1] is None:
            del os.environ["TMPDIR"]
        else:
            os.environ["TMPDIR"] = before[1]


def sweep(root: Path) -> None:
    """Remove the folders of this user whose process has ended without removing them."""
    with suppress(OSError), os.scandir(root) as entries:
        for entry in entries:
            if entry.name.startswith(PREFIX):
                with suppress(OSError):
                    _sweep_one(Path(entry.path))


def _sweep_one(folder: Path) -> None:
    facts = folder.lstat()
    # Others may write here, too: a link, or the folder of another user, is not followed.
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid():
        return
    try:
        owner = os.open(folder / OWNER, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    except FileNotFoundError:
        if time.time() - facts.st_mtime > UNOWNED_S:
            shutil.rmtree(folder, ignore_errors=True)
        return
    try:
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(owner)


def _root() -> Path:
    try:
        return Path(tempfile.gettempdir())
    except FileNotFoundError as error:  # None of the usual folders takes a file.
        raise StepError(
            "temporary folder",
            f"there is none that takes files: {error.strerror}",
            remedy="set TMPDIR to a folder that can be written, and see ulimit -f",
        ) from None


def _new_session(root: Path) -> _Session:
    sweep(root)
    folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
    # Locked before it has its name: another process that starts now would take it for a dead one's.
    unnamed = folder / f"{OWNER}.new"
    owner = os.open(unnamed, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    fcntl.flock(owner, fcntl.LOCK_EX)
    unnamed.rename(folder / OWNER)
    return _Session(folder, os.getpid(), owner)


def remove_unused_session_folder() -> None:
    """Remove the folder of this process where nothing is in it: no child is alive."""
    found = _CURRENT.session
    if found is not None and [each.name for each in found.folder.glob("*")] == [OWNER]:
        remove_session_folder()


@atexit.register
def remove_session_folder() -> None:
    """Remove the folder of this process; a forked child leaves that of its parent."""
    found = _CURRENT.session
    if found is not None and found.pid == os.getpid():
        shutil.rmtree(found.folder, ignore_errors=True)
        with suppress(OSError):
            os.close(found.owner)
        _CURRENT.session = None
