"""A disk that is full or read-only at the moment: nothing is lost, and one sentence says it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from edgecv.acceptance.verify import verify
from edgecv.core.errors import InputError, StepError
from edgecv.core.events import Event
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.run import run
from edgecv.system.storage import Store, check_seal, write_bytes

QUICK = {"epochs": 1, "minimum_steps": 0, "batch": 128}
RECIPE = parse_recipe(
    {
        "name": "full",
        "data": {"source": "digits"},
        "baseline": {"input_shape": [20, 20, 1], "training": {**QUICK, "epochs": 2}},
        "technique": [{"technique": "prune", "training": QUICK}],
        "export": [{"format": "tflite", "precision": "int8"}],
    },
    "test",
)
MOMENTS = (
    "no stored baseline",
    "epoch done",
    "prune: ",
    "epoch done",
    "training the baseline on",
    "epoch done",
    "writing float32.tflite",
    "writing int8.tflite",
    "timing",
)
"""Events of a run, in order, after which the disk is full."""


def sealed_folders(root: Path) -> list[Path]:
    return [path.parent for path in root.rglob("manifest.json") if ".partial" not in path.parts]


def left_behind(root: Path) -> list[Path]:
    return [*root.rglob("*.tmp"), *(root / ".partial").glob("*")]


@pytest.mark.slow
def test_a_disk_that_fills_up_at_any_moment_costs_one_sentence_and_nothing_else(disk: Any) -> None:
    """Run by ``pytest -m slow tests/security/test_full_disk.py``."""
    store = Store(disk.folder / "exported")
    for moment in MOMENTS:

        def fill(event: Event, moment: str = moment) -> None:
            if event.message.startswith(moment):
                disk.fill()

        with pytest.raises(StepError, match="cannot be written: No space left on device") as caught:
            run(RECIPE, store, on_event=fill)
        assert "free some space: the same command goes on where it was" in str(caught.value)
        assert left_behind(store.root) == []
        assert not store.run_folder("full").exists()
        for folder in sealed_folders(store.root):
            check_seal(folder)
        disk.empty()
    report = run(RECIPE, store)
    assert report.outcome == "passed"
    before = (store.run_folder("full") / "report.json").read_bytes()

    def fill_at_the_end(event: Event) -> None:
        if event.message.startswith("timing"):
            disk.fill()

    with pytest.raises(StepError, match="No space left"):
        run(RECIPE, store, force=True, on_event=fill_at_the_end)
    assert (store.run_folder("full") / "report.json").read_bytes() == before
    verify(store.run_folder("full"))


def test_a_file_that_does_not_fit_leaves_the_old_one(disk: Any) -> None:
    path = disk.folder / "a.bin"
    write_bytes(path, b"old")
    disk.fill()
    with pytest.raises(StepError, match="No space left on device; free some space"):
        write_bytes(path, bytes(100_000))
    assert path.read_bytes() == b"old"
    disk.empty()
    assert [each.name for each in disk.folder.iterdir()] == ["a.bin"]


def test_a_disk_that_fills_up_while_a_folder_is_made_leaves_none(disk: Any) -> None:
    store = Store(disk.folder / "exported")

    def make(folder: Path) -> None:
        write_bytes(folder / "a.bin", b"a")
        disk.fill()
        (folder / "b.bin").write_bytes(bytes(100_000))  # As a library does.

    with pytest.raises(StepError, match=r"cannot be written: No space left on device"):
        store.stage("exports", "key", make)
    assert left_behind(store.root) == []
    assert store.find("exports", "key") is None
    disk.empty()
    store.stage("exports", "key", lambda folder: write_bytes(folder / "a.bin", b"a"))
    check_seal(store.place("exports", "key"))


def test_too_little_space_is_said_before_anything_is_done(disk: Any) -> None:
    disk.fill()
    done = subprocess.run(
        [sys.executable, "-m", "edgecv", "compress", "--data", "digits", "--output",
         str(disk.folder / "exported")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "has 0 MB of free space; accepted: 64 MB or more; free some" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (disk.folder / "exported").exists()


def test_a_read_only_disk_is_refused_at_once_and_read_all_the_same(disk: Any) -> None:
    store = Store(disk.folder / "exported")
    with store.writing(store.run_folder("kept")) as draft:
        write_bytes(draft / "a.txt", b"a")
    disk.make_read_only()
    with pytest.raises(InputError, match="cannot be written; use --output with another folder"):
        run(RECIPE, store)
    verify(store.run_folder("kept"))
    with pytest.raises(StepError, match="Read-only file system"):
        write_bytes(disk.folder / "a.bin", b"x")
