"""No image is decoded twice, and a damaged or unwritable cache costs only time."""

import json
import os
import shutil
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.core.images import file_name
from edgecv.core.locks import waits_heard
from edgecv.datasets import cache as _cache
from edgecv.datasets import cache_entries
from edgecv.datasets.cache_settings import cache_folder, cache_set
from edgecv.datasets.image_tree import decode_files as image_files
from edgecv.datasets.images import ImageTree

pytestmark = pytest.mark.quick

SHAPE = (8, 8, 3)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return what has been decoded since, file by file."""
    calls: list[bytes] = []
    real = image_files.decode_with_size

    def counting(data: bytes, *options: Any) -> Any:
        calls.append(data)
        return real(data, *options)

    monkeypatch.setattr(image_files, "decode_with_size", counting)
    return calls


def load(path: Path, shape: Any = SHAPE, **options: Any) -> Dataset:
    return ImageTree.at(path, **options).load(shape, 0, lambda done, total: None)


def entries(cache: Path) -> list[Path]:
    return sorted(meta.parent for meta in (cache / "decoded").glob("*/meta.json"))


def same(one: Dataset, other: Dataset) -> bool:
    return one.notes == other.notes and all(
        one.split(name).sha256 == other.split(name).sha256 for name in SPLITS
    )


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_the_second_load_decodes_nothing(
    make_tree: Any, tree_files: Any, decoded: list[bytes], cache: Path, name: str
) -> None:
    path = make_tree(tree_files() | {"train/cat/notes.txt": b""}, name)
    first = load(path)
    assert len(decoded) == 20
    assert same(load(path), first)
    assert len(decoded) == 20
    assert len(entries(cache)) == 1
    assert not list((cache / "decoded").glob(".partial-*"))


@pytest.mark.parametrize("is_off", [False, True])
@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_each_image_keeps_the_name_of_its_file(
    make_tree: Any, tree_files: Any, name: str, is_off: bool
) -> None:
    path = make_tree(tree_files(), name)
    with cache_set(None, None, is_off=is_off):
        for data in (load(path), load(path)):
            for split in (data.train, data.test):
                for place, label in enumerate(split.labels):
                    found = file_name(split.images, place)
                    assert f"/{data.class_names[label]}/" in found
                    assert found.startswith("test/") == (split is data.test)
    assert file_name(np.zeros((1, 8, 8, 3), np.uint8), 0) == ""


def test_an_entry_from_before_has_no_names(make_tree: Any, tree_files: Any, cache: Path) -> None:
    path = make_tree(tree_files(), "photos")
    load(path)
    (entry,) = entries(cache)
    meta = json.loads((entry / "meta.json").read_text())
    del meta["names"]
    (entry / "meta.json").write_text(json.dumps(meta))
    assert file_name(load(path).test.images, 0) == ""


def test_who_waits_for_an_entry_has_it_while_its_maker_uses_it(
    make_tree: Any, tree_files: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two runs begin at once: the second one waited for the whole run of the first."""
    path, entered, go_on = make_tree(tree_files(), "photos"), Event(), Event()
    real = image_files.decode_with_size

    def waiting(data: bytes, *options: Any) -> Any:
        entered.set()
        assert go_on.wait(20)
        return real(data, *options)

    monkeypatch.setattr(image_files, "decode_with_size", waiting)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(load, path)
        assert entered.wait(20)
        second = threads.submit(load, path)
        while not second.running():
            time.sleep(0.01)
        time.sleep(0.2)  # Until it waits for the lock.
        go_on.set()
        kept = first.result(timeout=20)  # Its images are in use.
        assert same(second.result(timeout=20), kept)
    assert len(entries(cache)) == 1


def test_images_that_another_decodes_are_waited_for_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_entries, "LONG_WAIT_S", 0.05)
    is_held, may_end, said = Event(), Event(), list[str]()

    def say(line: str) -> None:
        said.append(line)
        may_end.set()

    def first() -> None:
        with cache_entries.locked(tmp_path):
            is_held.set()
            assert may_end.wait(20)

    with ThreadPoolExecutor(1) as other, waits_heard(say):
        holder = other.submit(first)
        assert is_held.wait(20)
        with cache_entries.locked(tmp_path) as is_there:
            assert is_there
        holder.result()
    assert said == [f"waiting for process {os.getpid()}, which decodes the same images"]


def test_a_zip_elsewhere_is_known_by_its_content(
    make_tree: Any, tree_files: Any, decoded: list[bytes]
) -> None:
    path = make_tree(tree_files(), "one.zip")
    load(path)
    other = load(path.rename(cache_folder() / "two.zip"))
    assert len(decoded) == 20
    assert other.name == "two.zip"


def test_other_shapes_options_and_contents_are_other_entries(
    make_tree: Any, tree_files: Any, decoded: list[bytes], cache: Path
) -> None:
    path = make_tree(tree_files())
    load(path)
    load(path, (9, 8, 3))
    load(path, skip_bad_images=True)
    (path / "train/cat/0.png").write_bytes((path / "train/cat/1.png").read_bytes())
    load(path)
    assert len(entries(cache)) == 4
    assert len(decoded) == 80


def truncate(entry: Path) -> None:
    content = (entry / "images.npy").read_bytes()
    (entry / "images.npy").write_bytes(content[:-100])


UNCLOSED = b"\x93NUMPY\x01\x00\x0a\x00{'a': (1, 2"
"""An .npy file whose header ends before its brackets do."""


def flip(entry: Path) -> None:
    content = bytearray((entry / "images.npy").read_bytes())
    content[-1] ^= 1
    (entry / "images.npy").write_bytes(content)


def reshape(entry: Path) -> None:
    array = np.load(entry / "images.npy")
    np.save(entry / "images.npy", array.reshape(-1, 4, 16, 3))


@pytest.mark.parametrize(
    "damage",
    [
        truncate,
        flip,
        reshape,
        lambda entry: (entry / "train_digests.npy").unlink(),
        lambda entry: (entry / "test_labels.npy").write_bytes(b""),
        lambda entry: (entry / "train_rows.npy").write_bytes(UNCLOSED),
        lambda entry: (entry / "images.npy").write_bytes(UNCLOSED),
        lambda entry: (entry / "meta.json").write_text("{"),
        lambda entry: (entry / "meta.json").write_text("[]"),
        lambda entry: (entry / "meta.json").write_bytes(b"\xff\xfe"),
    ],
)
def test_a_damaged_entry_is_rebuilt(
    make_tree: Any, tree_files: Any, decoded: list[bytes], cache: Path, damage: Any
) -> None:
    path = make_tree(tree_files())
    first = load(path)
    damage(entries(cache)[0])
    assert same(load(path), first)
    assert len(decoded) == 40
    assert same(load(path), first)
    assert len(decoded) == 40


@pytest.mark.parametrize(
    "lines",
    [
        b"\xff\xfe\n",
        b"{\n",
        b"[]\n",
        b'{"first": 0, "changes": {}, "bad": {}, "sizes": [[1, 1]], "digests": ""}\n',
        b'{"first": 0, "changes": {}, "bad": {"9": "x"}, "sizes": [], "digests": ""}\n',
        b'{"first": [], "changes": {}, "bad": {}, "sizes": [], "digests": ""}\n',
    ],
)
def test_what_a_killed_run_left_damaged_is_decoded_again(
    make_tree: Any, tree_files: Any, cache: Path, lines: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_tree(tree_files())
    with monkeypatch.context() as dying:
        dying.setattr(_cache, "_write", die)
        with pytest.raises(KeyboardInterrupt):
            load(path)
    (draft,) = (cache / "decoded").glob(".partial-*")
    (draft / "parts.jsonl").write_bytes(lines)
    found = load(path)
    entry = entries(cache)[0]
    shutil.rmtree(entry)
    assert same(load(path), found)


def die(*given: Any) -> None:
    raise KeyboardInterrupt


def test_only_the_entries_used_last_are_kept(
    make_tree: Any, tree_files: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_tree(tree_files())
    load(path)
    size = sum(file.stat().st_size for file in entries(cache)[0].iterdir())
    monkeypatch.setenv("EDGECV_CACHE_LIMIT", f"{2.8 * size}B")
    first = entries(cache)[0]
    os.utime(first / "meta.json", (1, 1))
    load(path, (9, 9, 3))
    (second,) = set(entries(cache)) - {first}
    os.utime(second / "meta.json", (2, 2))
    load(path)  # used again: no longer the oldest
    data = load(path, (10, 10, 3))
    assert "1 data set used longest ago was removed from" in data.notes[-1]
    assert first in entries(cache)
    assert second not in entries(cache)
    assert len(entries(cache)) == 2
    assert {each.name for each in (cache / "decoded").iterdir()} == {
        each.name for each in entries(cache)
    }  # No lock file is left of the others.


def test_what_killed_runs_left_is_removed_after_a_day(
    make_tree: Any, tree_files: Any, cache: Path
) -> None:
    old, new = cache / "decoded/.partial-old", cache / "decoded/.partial-new"
    old.mkdir(parents=True)
    new.mkdir()
    os.utime(old, (1, 1))
    load(make_tree(tree_files()))
    assert not old.exists()
    assert new.exists()


def test_a_cache_that_cannot_be_written_is_a_note(
    make_tree: Any, tree_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("EDGECV_CACHE_DIR", str(tmp_path / "file" / "cache"))
    data = load(make_tree(tree_files()))
    assert len(data.test) == 4
    (note,) = data.notes
    assert "could not be kept in" in note
    assert "Not a directory" in note


@pytest.mark.parametrize("below", ["", "/new"])
def test_a_file_as_the_folder_of_the_cache_is_refused(tmp_path: Path, below: str) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match=r"--cache: .* is no folder"):
        cache_set(f"{file}{below}", None, is_off=False).__enter__()


def test_the_home_of_an_unknown_user_is_no_internal_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGECV_CACHE_DIR", "~nosuchuser1/cache")
    assert cache_folder() == Path("~nosuchuser1/cache")
    with cache_set("~nosuchuser1/cache", None, is_off=False):
        pass


def test_what_another_process_removes_meanwhile_is_not_counted(
    make_tree: Any, tree_files: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An entry that was written was decoded again, and said not to be kept."""
    load(make_tree(tree_files()))
    (entry,) = entries(cache)
    draft = entry.with_name(".partial-x")
    draft.mkdir()
    (draft / "meta.json").write_text("{}")
    (entry / ".hashes.json.1").touch()
    usual = Path.stat

    def stat(path: Path, **options: Any) -> os.stat_result:
        if path.name.startswith(".hashes") or draft in (path, path.parent):
            raise FileNotFoundError(path)
        return usual(path, **options)

    monkeypatch.setattr(Path, "stat", stat)
    assert cache_entries.forget(entry.parent) == []
    assert cache_entries.make_room(entry.parent).startswith("the disk is full")


def test_a_disk_that_is_full_loses_the_data_set_used_longest_ago(
    make_tree: Any, tree_files: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_tree(tree_files())
    load(path)
    (first,) = entries(cache)
    os.utime(first / "meta.json", (1, 1))
    load(path, (9, 9, 3))
    (second,) = set(entries(cache)) - {first}
    allocate = os.posix_fallocate

    def full(*arguments: Any) -> None:
        if first.exists():
            raise OSError(28, "No space left on device")
        allocate(*arguments)

    monkeypatch.setattr(os, "posix_fallocate", full)
    data = load(path, (10, 10, 3))
    (note,) = [each for each in data.notes if "disk" in each]
    assert note.startswith("the disk is full: the data set used longest ago was removed from")
    assert len(entries(cache)) == 2
    assert second in entries(cache)
    load(path, (10, 10, 3))


def test_a_disk_that_fills_up_is_a_note_and_leaves_nothing(
    make_tree: Any, tree_files: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any, **options: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_cache.np, "save", full)
    data = load(make_tree(tree_files()))
    assert "No space left on device" in data.notes[0]
    assert not entries(cache)
    assert not list((cache / "decoded").glob(".partial-*"))


def test_arrays_are_the_callers_own(make_tree: Any, tree_files: Any) -> None:
    path = make_tree(tree_files())
    load(path)
    data = load(path)
    data.test.images[:][:] = 0  # from a cache that is mapped read-only, this would raise
    assert load(path).test.images[:].any()


def test_the_folder_is_where_the_environment_says(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder() == cache
    monkeypatch.delenv("EDGECV_CACHE_DIR")
    assert cache_folder().name == "edgecv"


def test_meta_is_plain_json(make_tree: Any, tree_files: Any, cache: Path) -> None:
    load(make_tree(tree_files()))
    meta = json.loads((entries(cache)[0] / "meta.json").read_text())
    assert meta["class_names"] == ["cat", "dog"]
