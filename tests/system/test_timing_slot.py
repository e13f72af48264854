"""The timing slot: who measures is alone, who works gives way, and a death releases everything."""

import multiprocessing
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from edgecv.core.errors import StepError
from edgecv.system import timing_slot
from edgecv.system.storage import Store
from edgecv.system.timing_slot import TimingSlot

pytestmark = pytest.mark.quick
Part = Callable[[Path, Connection], None]


@contextmanager
def process(part: Part, folder: Path) -> Iterator[Connection]:
    ours, theirs = multiprocessing.Pipe()
    child = multiprocessing.get_context("fork").Process(target=part, args=(folder, theirs))
    child.start()
    try:
        assert ours.recv() == "works"
        yield ours
    finally:
        child.kill()
        child.join()


def works(folder: Path, pipe: Connection) -> None:
    """Work with an event every few milliseconds, and say when one took long."""
    slot = TimingSlot()
    slot.join(folder)
    pipe.send("works")
    while not pipe.poll(0.005):
        began = time.monotonic()
        slot.give_way()
        if time.monotonic() - began > 0.1:
            pipe.send((began, time.monotonic()))
            return


def hangs(folder: Path, pipe: Connection) -> None:
    slot = TimingSlot()
    slot.join(folder)
    pipe.send("works")
    time.sleep(60)


def test_who_measures_is_alone_and_the_others_go_on_afterwards(tmp_path: Path) -> None:
    slot = TimingSlot()
    with process(works, tmp_path) as other:
        slot.join(tmp_path)
        slot.give_way()
        with slot.alone(), slot.alone():
            slot.give_way()
            began = time.monotonic()
            time.sleep(0.3)
            assert not other.poll(0)
            ended = time.monotonic()
        assert other.poll(5)
        waited_from, waited_to = other.recv()
        assert waited_from < ended - 0.25
        assert waited_to >= ended - 0.01
        assert began < waited_to
    slot.leave()


def test_a_process_that_dies_at_work_is_not_waited_for(tmp_path: Path) -> None:
    slot = TimingSlot()
    slot.join(tmp_path)
    with process(hangs, tmp_path):
        began = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 20)
        child = multiprocessing.active_children()[0]
        multiprocessing.get_context("fork").Process(target=_kill, args=(child.pid,)).start()
        with slot.alone():
            assert time.monotonic() - began > 0.1
        signal.setitimer(signal.ITIMER_REAL, 0)
    slot.leave()


def _kill(pid: int) -> None:
    time.sleep(0.2)
    os.kill(pid, signal.SIGKILL)


def test_all_processes_of_a_host_meet_wherever_their_temporary_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(timing_slot, "PLACE", tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path / "own"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    slot = TimingSlot()
    slot.join()
    slot.leave()
    assert [each.name for each in tmp_path.iterdir()] == [f"edgecv-timing-{os.getuid()}"]


@pytest.mark.parametrize("kind", ["link", "file", "for all"])
def test_a_folder_of_another_is_refused_with_a_sentence(kind: str, tmp_path: Path) -> None:
    place = tmp_path / "slot"
    if kind == "link":
        (tmp_path / "theirs").mkdir()
        place.symlink_to(tmp_path / "theirs")
    elif kind == "file":
        place.touch()
    else:
        place.mkdir()
        place.chmod(0o777)
    with pytest.raises(StepError, match=r"slot: (is no folder of yours alone|cannot be made)"):
        TimingSlot().join(place)


def test_without_a_search_nothing_waits(tmp_path: Path) -> None:
    slot = TimingSlot()
    with process(hangs, tmp_path), slot.alone(), slot.idle():
        slot.give_way()
    assert slot.idle is not None


def measures_in_a_stage(folder: Path, pipe: Connection) -> None:
    """Hold the lock of a stage, and measure in it: as the search for widths does."""
    from edgecv.system.timing_slot import SLOT

    SLOT.join(folder / "slot")

    def make(draft: Path) -> None:
        pipe.send("works")
        time.sleep(0.2)
        with SLOT.alone():
            (draft / "made").touch()

    Store(folder).stage("steps", "one", make)
    pipe.send("done")


def test_who_waits_for_a_shared_step_does_not_hold_up_its_measuring(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = TimingSlot()
    monkeypatch.setattr("edgecv.system.storage.locks.SLOT", slot)
    (tmp_path / "slot").mkdir()
    with process(measures_in_a_stage, tmp_path) as other:
        slot.join(tmp_path / "slot")
        signal.setitimer(signal.ITIMER_REAL, 20)
        place = Store(tmp_path).stage("steps", "one", lambda draft: pytest.fail("made twice"))
        signal.setitimer(signal.ITIMER_REAL, 0)
        assert (place / "made").exists()
        assert other.recv() == "done"
    slot.leave()
