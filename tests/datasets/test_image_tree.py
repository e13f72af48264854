"""Folders and zips of images: what is read, what is refused, what is said."""

import os
import shutil
import tempfile
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refusal_of

from edgecv.core.data import SPLITS, Dataset
from edgecv.core.errors import InputError
from edgecv.datasets.image_tree.folder_tree import has_splits
from edgecv.datasets.images import ImageTree
from edgecv.datasets.resolve import resolve

SHAPE = (8, 8, 3)
Files = dict[str, bytes]
NOBODY = 65534


def load(path: Path, shape: tuple[int, int, int] = SHAPE, **options: Any) -> Dataset:
    return ImageTree.at(path, **options).load(shape, 0, lambda done, total: None)


def refusal(path: Path, **options: Any) -> str:
    return refusal_of(lambda: load(path, **options))


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_a_tree_is_read(make_tree: Any, tree_files: Any, name: str) -> None:
    data = load(make_tree(tree_files(), name))
    assert data.name == name
    assert data.class_names == ("cat", "dog")
    assert data.notes == ()
    assert [len(data.split(split)) for split in SPLITS] == [12, 2, 2, 4]
    assert data.image_shape == SHAPE
    assert data.test.labels.tolist() == [0, 0, 1, 1]
    for split in SPLITS:  # the blue of each picture is its class
        assert data.split(split).images[:][:, 0, 0, 2].tolist() == data.split(split).labels.tolist()


def test_a_folder_and_its_zip_give_the_same_splits(make_tree: Any, tree_files: Any) -> None:
    files = tree_files()
    one, other = load(make_tree(files)), load(make_tree(files, "photos.zip"))
    for split in SPLITS:
        assert one.split(split).sha256 == other.split(split).sha256


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_it_may_be_nested_and_surrounded_by_litter(
    make_tree: Any, tree_files: Any, name: str
) -> None:
    files: Files = {f"inner/{key}": content for key, content in tree_files().items()}
    files |= {
        "__MACOSX/inner/train/cat/._0.png": b"x",
        "inner/.DS_Store": b"x",
        "inner/train/cat/Thumbs.db": b"x",
        "inner/train/cat/.hidden.png": b"x",
        "inner/train/cat/notes.txt": b"x",
        "inner/test/sources.csv": b"x",
        "inner/other/more.png": b"x",
    }
    data = load(make_tree(files, name))
    assert sum(len(data.split(split)) for split in SPLITS) == 20
    assert len(data.notes) == 2
    assert data.notes[0].startswith("2 files beside the images were not read")
    assert data.notes[1] == "beside train/ and test/, not read: other"


def test_backslashes_of_old_windows_zips_are_separators(make_tree: Any, tree_files: Any) -> None:
    files = {key.replace("/", "\\"): content for key, content in tree_files().items()}
    assert load(make_tree(files, "photos.zip")).class_names == ("cat", "dog")


def test_images_deeper_in_a_class_belong_to_it(make_tree: Any, tree_files: Any) -> None:
    files = {f"{key[:-5]}a/b/{key[-5:]}": content for key, content in tree_files().items()}
    assert len(load(make_tree(files)).test) == 4


def test_a_test_split_alone_is_enough(make_tree: Any, tree_files: Any) -> None:
    data = load(make_tree(tree_files(train=0)))
    assert [len(data.split(split)) for split in SPLITS] == [0, 0, 0, 4]
    again = load(make_tree(tree_files(train=0), "again.zip"))
    assert again.test.sha256 == data.test.sha256


def test_what_was_changed_is_noted(make_tree: Any, tree_files: Any, encode: Any) -> None:
    files = tree_files()
    files["train/cat/large.png"] = encode((1, 2, 3), side=20)
    files["train/cat/large2.png"] = encode((1, 2, 4), side=21)
    files["test/dog/glass.png"] = encode((0, 0, 0, 9), mode="RGBA")
    files["test/dog/deep.png"] = encode(np.full((8, 8), 999, np.uint16))
    assert load(make_tree(files)).notes == (
        "2 images of another size were resized to 8x8 (bilinear, stretched)",
        "1 image with transparent parts was laid on white",
        "1 image of 16-bit grey was scaled to 8 bits",
    )
    grey = load(make_tree(tree_files(train=0), "grey"), (8, 8, 1))
    assert grey.notes[0] == "4 colour images were turned to grey"


def test_progress_comes_from_this_thread(make_tree: Any, tree_files: Any) -> None:
    calls: list[tuple[int, int, int]] = []
    path = make_tree(tree_files(train=150))
    ImageTree.at(path).load(
        SHAPE, 0, lambda done, total: calls.append((done, total, threading.get_ident()))
    )
    assert calls[0][:2] == (0, 304)
    assert calls[-1][:2] == (304, 304)
    assert [done for done, _, _ in calls] == sorted(done for done, _, _ in calls)
    assert {thread for _, _, thread in calls} == {threading.get_ident()}
    assert len(calls) < 20


def test_an_interrupt_stops_it(make_tree: Any, tree_files: Any) -> None:
    def interrupt(done: int, total: int) -> None:
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ImageTree.at(make_tree(tree_files(train=150))).load(SHAPE, 0, interrupt)


def without(prefix: str) -> Callable[[Files], Files]:
    return lambda files: {
        key: content for key, content in files.items() if not key.startswith(prefix)
    }


def plus(extra: Files) -> Callable[[Files], Files]:
    return lambda files: files | extra


LAYOUTS = [
    pytest.param(lambda files: {"a.txt": b""}, ["neither train/ nor test/", "a.txt"], id="none"),
    pytest.param(without("test/"), ["train/ but no test/", "move some images"], id="no-test"),
    pytest.param(without("test/dog"), ["1 class folder of train/", "test/: dog"], id="test-lacks"),
    pytest.param(without("train/dog"), ["of test/", "train/: dog"], id="train-lacks"),
    pytest.param(
        lambda files: without("test/dog")(without("train/dog")(files)),
        ['one class: "cat"', "at least 2"],
        id="one-class",
    ),
    pytest.param(plus({"train/0.png": b""}), ["train/0.png is in no class folder"], id="loose"),
    pytest.param(plus({"train/owl/": b""}), ['"train/owl" holds no image'], id="empty-class"),
    pytest.param(
        plus({"test/owl/a.txt": b""}), ['"test/owl" holds no image'], id="class-without-images"
    ),
    pytest.param(
        lambda files: {f"{top}/{key}": content for key, content in files.items() for top in "ab"},
        ["more than one data set", "a, b"],
        id="two-data-sets",
    ),
    pytest.param(
        lambda files: {"train/": b"", **without("train/")(files)},
        ["train/ holds no class folder"],
        id="empty-train",
    ),
]


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
@pytest.mark.parametrize(("change", "parts"), LAYOUTS)
def test_a_wrong_layout_is_refused(
    make_tree: Any, tree_files: Any, change: Any, parts: list[str], name: str
) -> None:
    path = make_tree(change(tree_files()), name)
    message = refusal(path)
    for part in [f"--data {path}: ", *parts]:
        assert part in message


def damaged(files: Files) -> Files:
    return files | {
        "test/cat/0.png": files["test/cat/0.png"][:40],
        "train/dog/3.png": b"these are words",
    }


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_bad_images_are_named_and_counted(make_tree: Any, tree_files: Any, name: str) -> None:
    message = refusal(make_tree(damaged(tree_files()), name))
    for part in (
        "2 images cannot be read",
        "train/dog/3.png (not a PNG, JPEG, WebP or BMP image)",
        "test/cat/0.png (",
        "--skip-bad-images leaves them out",
    ):
        assert part in message


@pytest.mark.parametrize("name", ["photos", "photos.zip"])
def test_bad_images_are_left_out_when_asked(make_tree: Any, tree_files: Any, name: str) -> None:
    data = load(make_tree(damaged(tree_files()), name), skip_bad_images=True)
    assert sum(len(data.split(split)) for split in SPLITS) == 18
    (note,) = data.notes
    assert note.startswith("2 images that cannot be read were left out: train/dog/3.png (")
    assert "test/cat/0.png" in note


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert "there is no such file or folder" in refusal(tmp_path / "nothing")


def test_a_model_of_two_channels_is_refused(make_tree: Any, tree_files: Any) -> None:
    with pytest.raises(InputError, match="the model takes 2 channels"):
        load(make_tree(tree_files()), (8, 8, 2))


@pytest.mark.slow
def test_the_cifar_archive_loads(cifar_zip: Path) -> None:
    data = load(cifar_zip, (32, 32, 3))
    assert data.name == "cifar10-images.zip"
    assert [len(data.split(split)) for split in SPLITS] == [46_500, 1_000, 2_500, 5_000]
    assert data.class_names[0] == "airplane"
    assert data.notes == ()
    again = load(cifar_zip, (32, 32, 3))
    assert again.train.sha256 == data.train.sha256


def test_a_zip_is_opened_once_and_another_of_its_name_anew(
    make_tree: Any, tree_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = make_tree(tree_files(), "photos.zip")
    opened = []

    class Counted(zipfile.ZipFile):
        def __init__(self, *arguments: Any) -> None:
            opened.append(arguments)
            super().__init__(*arguments)

    monkeypatch.setattr(zipfile, "ZipFile", Counted)
    source = resolve(str(path))
    assert isinstance(source, ImageTree)
    assert source.most_calibration_images()
    assert len(load(path).test) == 4
    assert len(opened) == 1
    os.replace(make_tree(tree_files(test=5), "other.zip"), path)
    opened.clear()  # The other one was written by it too.
    assert len(load(path).test) == 10
    assert len(opened) == 1


@pytest.mark.quick
def test_a_folder_beside_the_splits_may_be_closed() -> None:
    """The top of a disk has lost+found, which is root's alone: its images were not to be used."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    for name in ("train/a", "test/a", "lost+found/train"):
        (folder / name).mkdir(parents=True)
    (folder / "lost+found").chmod(0)
    is_root = os.geteuid() == 0
    try:
        if is_root:
            os.seteuid(NOBODY)
        assert has_splits(folder)
    finally:
        if is_root:
            os.seteuid(0)
        (folder / "lost+found").chmod(0o700)
        shutil.rmtree(folder)
