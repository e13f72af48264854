import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import pytest

from edgecv.core.errors import InputError, StepError
from edgecv.system.storage import (
    Store,
    check_seal,
    describe,
    is_of_run,
    run_store,
    seal,
    tree_sha256,
    write_bytes,
)
from edgecv.system.storage.atomic_files import exchange

pytestmark = pytest.mark.quick


def test_a_folder_appears_whole(tmp_path: Path) -> None:
    store = Store(tmp_path / "exported")
    place = store.run_folder("run")
    with store.writing(place) as draft:
        (draft / "a.txt").write_text("a")
        assert not place.exists()
    check_seal(place)
    assert (place / "a.txt").read_text() == "a"


def test_a_stage_that_another_makes_is_waited_for_and_that_is_said(tmp_path: Path) -> None:
    """A second run beside the first stood still for minutes, without a word."""
    is_making, may_end = Event(), Event()
    said: list[str] = []

    def make(folder: Path) -> None:
        is_making.set()
        assert may_end.wait(20)
        (folder / "a.txt").write_text("a")

    def say(line: str) -> None:
        said.append(line)
        may_end.set()

    def never(folder: Path) -> None:
        raise AssertionError("made twice")

    with ThreadPoolExecutor(1) as other:
        first = other.submit(Store(tmp_path).stage, "exports", "key", make)
        assert is_making.wait(20)
        place = Store(tmp_path, say=say).stage("exports", "key", never)
        assert first.result() == place
    assert said == [f"waiting for process {os.getpid()}, which is at work on the same exports"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_folder_does_not_appear_when_its_making_fails(
    tmp_path: Path, error: type[BaseException]
) -> None:
    store = Store(tmp_path / "exported")
    place = store.run_folder("run")
    with pytest.raises(error), store.writing(place) as draft:
        (draft / "a.txt").write_text("a")
        raise error
    assert not place.exists()
    assert not any((tmp_path / "exported" / ".partial").iterdir())


def test_replacing_keeps_the_old_folder_until_the_new_one_is_whole(tmp_path: Path) -> None:
    store = Store(tmp_path)
    place = store.run_folder("run")
    with store.writing(place) as draft:
        (draft / "a.txt").write_text("old")
    with pytest.raises(ValueError, match="oh"), store.writing(place, replace=True) as draft:
        raise ValueError("oh")
    assert (place / "a.txt").read_text() == "old"
    with store.writing(place, replace=True) as draft:
        (draft / "a.txt").write_text("new")
    assert (place / "a.txt").read_text() == "new"


def test_a_replaced_folder_is_at_no_moment_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A kill between two renames: the next run was lost at its end, a baseline trained again."""
    ends = [tmp_path / name for name in ("one", "other")]
    for end in ends:
        end.mkdir()
    if not exchange(*ends):
        pytest.skip("two folders cannot be exchanged here")
    store = Store(tmp_path)
    place = store.run_folder("run")
    with store.writing(place) as draft:
        (draft / "a.txt").write_text("old")

    def never(*paths: Path) -> None:
        raise AssertionError(paths)

    monkeypatch.setattr(Path, "rename", never)
    with store.writing(place, replace=True) as draft:
        (draft / "a.txt").write_text("new")
    check_seal(place)
    assert (place / "a.txt").read_text() == "new"
    assert list((tmp_path / ".partial").iterdir()) == []


def test_folders_that_cannot_be_exchanged_are_moved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_store, "exchange", lambda one, other: False)
    store = Store(tmp_path)
    place = store.run_folder("run")
    for text in ("old", "new"):
        with store.writing(place, replace=True) as draft:
            (draft / "a.txt").write_text(text)
    assert (place / "a.txt").read_text() == "new"
    assert not exchange(tmp_path / "none", place)
    assert list((tmp_path / ".partial").iterdir()) == []


def test_what_a_killed_run_left_is_swept(tmp_path: Path) -> None:
    store = Store(tmp_path)
    place = store.run_folder("run")
    program = (
        "import os, sys; from pathlib import Path; from edgecv.system.storage import Store\n"
        "store = Store(Path(sys.argv[1]))\n"
        "with store.writing(store.run_folder('run')) as draft:\n"
        "    (draft / 'half.txt').write_text('half'); os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -9
    assert not place.exists()
    with store.writing(place) as draft:
        assert not list(draft.iterdir())


def test_a_second_run_of_a_name_is_told_who_holds_it(tmp_path: Path) -> None:
    store = Store(tmp_path)
    place = store.run_folder("run")
    with store.writing(place):
        program = (
            "import sys; from pathlib import Path; from edgecv.system.storage import Store\n"
            "from edgecv.core.errors import InputError\n"
            "store = Store(Path(sys.argv[1]))\n"
            "try:\n"
            "    with store.writing(store.run_folder('run')): pass\n"
            "except InputError as error: print(error)\n"
        )
        done = subprocess.run(
            [sys.executable, "-c", program, str(tmp_path)],
            capture_output=True,
            text=True,
            check=True,
        )
    assert f"process {os.getpid()} is already working on" in done.stdout


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "a.txt").write_text("b"), "SHA-256 differs"),
        (lambda folder: (folder / "a.txt").unlink(), "not on disk"),
        (lambda folder: (folder / "b.txt").write_text("b"), "not in the manifest"),
        (lambda folder: (folder / "manifest.json").unlink(), "no manifest.json"),
        (lambda folder: (folder / "manifest.json").write_text("{"), "is damaged"),
        (lambda folder: (folder / "manifest.json").write_text('{"files": [1]}'), "is damaged"),
    ],
)
def test_a_changed_folder_is_noticed(tmp_path: Path, damage: object, message: str) -> None:
    (tmp_path / "a.txt").write_text("a")
    seal(tmp_path)
    check_seal(tmp_path)
    damage(tmp_path)  # type: ignore[operator]
    with pytest.raises(InputError, match=message):
        check_seal(tmp_path)


def test_a_damaged_step_is_made_again_but_a_baseline_is_not_thrown_away(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for kind in ("exports", "baselines"):
        with store.writing(store.place(kind, "key")) as draft:
            (draft / "a.txt").write_text("a")
        (store.place(kind, "key") / "a.txt").write_text("changed")
    assert store.find("exports", "key") is None
    assert not store.place("exports", "key").exists()
    with pytest.raises(InputError, match="SHA-256 differs"):
        store.find("baselines", "key")


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    with pytest.raises(StepError, match="cannot be written"):
        write_bytes(tmp_path / "missing" / "a.bin", b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.bin"]


def test_sizes_and_hash_of_an_artifact(tmp_path: Path) -> None:
    path = tmp_path / "a.tflite"
    path.write_bytes(b"0" * 10_000)
    artifact = describe(path, format="tflite", precision="int8")
    assert (artifact.bytes, artifact.path) == (10_000, "a.tflite")
    assert artifact.gzip_bytes < 100
    assert artifact.sha256.startswith("f91e611d")


def test_the_manifest_lists_bytes_and_hashes(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    seal(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["files"]["a.txt"]["bytes"] == 1
    assert len(manifest["files"]["a.txt"]["sha256"]) == 64


@pytest.mark.parametrize(
    ("beside", "expected"), [("recipe.toml", True), ("training.json", True), ("origin.json", False)]
)
def test_a_sealed_folder_is_not_always_a_run(beside: str, expected: bool, tmp_path: Path) -> None:
    for name in ("model.keras", beside):
        (tmp_path / name).write_text("a")
    seal(tmp_path)
    assert is_of_run(tmp_path / "model.keras") is expected
    (tmp_path / "model.keras").write_text("b")
    assert not is_of_run(tmp_path / "model.keras")


def test_the_hash_of_a_folder_leaves_out_nothing_that_links_bring_in(tmp_path: Path) -> None:
    """New weights behind a link to variables/ had the results of the old ones."""
    model, elsewhere = tmp_path / "model", tmp_path / "elsewhere"
    model.mkdir()
    elsewhere.mkdir()
    (elsewhere / "weights").write_text("old")
    (model / "weights").symlink_to(elsewhere / "weights")
    before = tree_sha256(model)
    (elsewhere / "weights").write_text("new")
    assert tree_sha256(model) != before
    (model / "variables").symlink_to(elsewhere)
    with pytest.raises(InputError, match=r"/variables: is a link to a folder; accepted: files"):
        tree_sha256(model)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_cannot_be_written(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="--output"):
        Store(tmp_path / "exported").check_writable()


def test_an_output_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "exported").write_text("a file")
    with pytest.raises(InputError, match="--output"):
        Store(tmp_path / "exported").check_writable()
