"""Images are read as they are taken: from a map, by several workers, after a kill, or anew."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core import images as core_images
from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.core.images import ImageArray, ImageFile, ImageRows, chunks, image_rows
from edgecv.datasets.cache_settings import cache_set
from edgecv.datasets.image_tree import decode_files as image_files
from edgecv.datasets.image_tree import thread_pool
from edgecv.datasets.images import ImageTree
from edgecv.datasets.resolve import resolve

SHAPE = (8, 8, 3)
LOAD = """
import sys, time
from edgecv.datasets.images import ImageTree
from pathlib import Path
say = lambda done, total: print(done, flush=True)
data = ImageTree.at(Path(sys.argv[1])).load((8, 8, 3), 0, say)
print("loaded", data.train.sha256, flush=True)
"""


def load(path: Path) -> Dataset:
    return ImageTree.at(path).load(SHAPE, 0, lambda done, total: None)


def hashes(data: Dataset) -> list[str]:
    return [data.split(name).sha256 for name in SPLITS]


@pytest.fixture
def photos(make_tree: Any, encode: Any) -> Path:
    """Return a tree of 400 images, more than two parts."""
    files = {
        f"{split}/{name}/{number}.png": encode((number, label, len(split)))
        for split, count in (("train", 150), ("test", 50))
        for label, name in enumerate(("cat", "dog"))
        for number in range(count)
    }
    path: Path = make_tree(files)
    return path


@pytest.fixture(params=[2**28, 0], ids=["mapped", "read"])
def rows_of_file(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[ImageRows, Any]:
    """Return rows of a file, which is mapped or read, and the same as an array."""
    monkeypatch.setattr(core_images, "LARGEST_MAPPED_FILE", request.param)
    array = np.random.default_rng(0).integers(0, 256, (90, 64, 64, 3), np.uint8)
    np.save(tmp_path / "images.npy", array)
    rows = np.random.default_rng(1).permutation(90)[:70]
    return ImageRows(ImageFile(tmp_path / "images.npy"), rows), array[rows]


def test_rows_are_read_as_those_of_an_array(rows_of_file: tuple[ImageRows, Any]) -> None:
    images, array = rows_of_file
    assert images.shape == array.shape
    assert images.nbytes == array.nbytes
    for key in (slice(3, 9), slice(None, 0), np.array([5, 1, 5]), np.arange(70) % 3 == 0, -1, 4):
        np.testing.assert_array_equal(images[key], array[key])
    np.testing.assert_array_equal(images.at(slice(20)).at(np.array([3, 2]))[:], array[[3, 2]])
    np.testing.assert_array_equal(np.stack(list(images)), array)
    np.testing.assert_array_equal(np.concatenate(list(chunks(images))), array)
    with pytest.raises(IndexError):
        images[70]
    images[:2][:] = 0  # A copy, which leaves the file alone.
    np.testing.assert_array_equal(np.asarray(images), array)


def test_a_large_file_in_another_order_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes were read as rows of pixels that they are not."""
    path = tmp_path / "images.npy"
    np.save(path, np.asfortranarray(np.arange(48, dtype=np.uint8).reshape(4, 2, 2, 3)))
    assert ImageFile(path).take(np.array([1]))[0, 0, 0].tolist() == [12, 13, 14]
    monkeypatch.setattr("edgecv.core.images.LARGEST_MAPPED_FILE", 0)
    with pytest.raises(ValueError, match="Fortran's order"):
        ImageFile(path)


def test_views_of_arrays_are_not_copied_as_a_whole() -> None:
    array = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    view = array[:, :, ::-1]
    np.testing.assert_array_equal(image_rows(view)[:], view)
    assert image_rows(view).store.array is view  # type: ignore[attr-defined]
    assert isinstance(image_rows(view).store, ImageArray)


def resident_of_maps() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("RssFile:"))


def test_images_of_a_large_file_do_not_stay_in_memory(tmp_path: Path) -> None:
    count = core_images.LARGEST_MAPPED_FILE // 2**20 + 1
    path = tmp_path / "large.npy"
    np.lib.format.open_memmap(path, "w+", np.uint8, (count, 1024, 1024, 1))
    images = ImageRows.all_of(ImageFile(path))
    before = resident_of_maps()
    for start in range(0, count, 8):
        images[start : start + 8]
    assert resident_of_maps() - before < 2**24
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(OSError, match="is shorter than it was"):
        images[-2:]


def test_workers_do_not_change_the_order(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for workers in (1, 4):
        monkeypatch.setenv("EDGECV_CACHE_DIR", str(cache / str(workers)))
        monkeypatch.setattr(thread_pool, "SMALL_BYTES", 0)
        monkeypatch.setattr(os, "cpu_count", lambda count=workers: count)
        found.append(load(photos))
    assert hashes(found[0]) == hashes(found[1])
    np.testing.assert_array_equal(found[0].train.images[:], found[1].train.images[:])


def test_decoding_goes_on_after_a_kill(photos: Path, cache: Path) -> None:
    """Parts that are finished are not decoded again, and the data is the same."""
    program = LOAD.replace("(done, flush=True)", "(done, flush=True) or time.sleep(0.4)")
    with subprocess.Popen(
        [sys.executable, "-c", program, str(photos)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        while int(process.stdout.readline()) < 128:
            pass
        process.send_signal(signal.SIGKILL)
    (draft,) = (cache / "decoded").glob(".partial-*")
    kept = (draft / "parts.jsonl").read_text().count("\n")
    with (draft / "parts.jsonl").open("a") as file:
        file.write('{"first": 4')  # The kill came while a line was written.
    decoded: list[bytes] = []
    real = image_files.decode_with_size
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            image_files,
            "decode_with_size",
            lambda data, *options: decoded.append(data) or real(data, *options),
        )
        data = load(photos)
    assert kept >= 2
    assert len(decoded) == max(0, 400 - 64 * kept)
    with cache_set(str(cache / "other"), None, is_off=False):
        assert hashes(load(photos)) == hashes(data)


def test_parts_that_a_power_cut_has_lost_are_decoded_again(photos: Path, cache: Path) -> None:
    before = hashes(load(photos))
    (entry,) = (cache / "decoded").glob("*/meta.json")
    folder = entry.parent.rename(entry.parent.with_name(f".partial-{entry.parent.name}"))
    (folder / "meta.json").unlink()
    sizes = [[8, 8]] * 64
    digests = np.load(folder / "train_digests.npy")[:64].tobytes().hex()
    line = f'{{"first": 0, "changes": {{}}, "bad": {{}}, "sizes": {sizes}, "digests": "{digests}"}}'
    (folder / "parts.jsonl").write_text(line + "\n")
    with (folder / "images.npy").open("r+b") as file:
        file.seek(-400 * 192, os.SEEK_END)
        file.write(bytes(192))
    assert hashes(load(photos)) == before


def test_two_processes_decode_once(photos: Path, cache: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", LOAD, str(photos)], stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    texts = [process.communicate()[0] for process in processes]
    assert texts[0].splitlines()[-1] == texts[1].splitlines()[-1]
    assert sorted("400" in text.split() for text in texts) == [False, True]
    assert len(list((cache / "decoded").glob("*"))) == 1


def test_an_entry_in_use_is_not_removed(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load(photos)
    monkeypatch.setenv("EDGECV_CACHE_LIMIT", "100KB")
    ImageTree.at(photos).load((9, 9, 3), 0, lambda done, total: None)
    (first,) = {data.test.images.store.file} & set((cache / "decoded").glob("*/images.npy"))  # type: ignore[attr-defined]
    del data
    time.sleep(0.01)
    other = ImageTree.at(photos).load((9, 8, 3), 0, lambda done, total: None)
    assert not first.exists()
    assert "removed from" in other.notes[-1]


def test_without_a_cache_images_are_decoded_anew(photos: Path, cache: Path) -> None:
    kept = load(photos)
    with cache_set(None, None, is_off=True):
        data = load(photos)
    assert hashes(data) == hashes(kept)
    assert data.train.images.store.file is None  # type: ignore[attr-defined]
    np.testing.assert_array_equal(data.train.images[:5], kept.train.images[:5])
    assert "EDGECV_NO_CACHE" not in os.environ
    for image in photos.rglob("*.png"):
        image.unlink()
    with pytest.raises(InputError, match="cannot be read any more"):
        data.train.images[0]


def test_a_cache_with_too_low_a_limit_says_what_is_needed(
    photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGECV_CACHE_LIMIT", "1KB")
    with pytest.raises(InputError, match=r"decoded images take .* --no-cache"):
        load(photos)
    monkeypatch.setenv("EDGECV_CACHE_LIMIT", "much")
    with pytest.raises(InputError, match="EDGECV_CACHE_LIMIT"):
        load(photos)


def test_a_full_disk_is_known_before_decoding(
    photos: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*arguments: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    data = load(photos)
    assert "could not be kept" in data.notes[0]
    assert "No space left on device" in data.notes[0]
    assert not list((cache / "decoded").glob("*"))
    monkeypatch.setattr("edgecv.datasets.workspace.LARGEST_SHARE", 0.0)
    with pytest.raises(InputError, match=r"GB are free.*--cache DIR, or --no-cache"):
        load(photos)


def test_arrays_at_another_shape_are_in_the_cache_too(cache: Path) -> None:
    data = resolve("digits").load((16, 16, 3), 0, lambda done, total: None)
    assert data.train.images.store.file is not None  # type: ignore[attr-defined]
