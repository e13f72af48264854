"""Zips, links and sizes not to be trusted: refused by name, nothing written or followed."""

import io
import os
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from refusals import refusal_of

from edgecv.core.data import Dataset
from edgecv.datasets.image_tree import folder_tree as _files
from edgecv.datasets.image_tree import zip_tree as _archive
from edgecv.datasets.images import ImageTree

pytestmark = pytest.mark.quick

SHAPE = (8, 8, 3)


def load(path: Path) -> Dataset:
    return ImageTree.at(path).load(SHAPE, 0, lambda done, total: None)


def refusal(path: Path) -> str:
    return refusal_of(lambda: load(path))


def test_a_member_that_fails_its_checksum_is_a_bad_image(make_tree: Any, tree_files: Any) -> None:
    path = make_tree(tree_files(), "photos.zip")
    content = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("test/dog/1.png")
    content[info.header_offset + 30 + len(info.filename) + 50] ^= 1
    path.write_bytes(content)
    assert "test/dog/1.png (damaged in the zip" in refusal(path)


def add_link(archive: zipfile.ZipFile) -> None:
    info = zipfile.ZipInfo("train/cat/link.png")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    archive.writestr(info, "/etc/passwd")


def add_twice(archive: zipfile.ZipFile) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive.writestr("train/cat/0.png", b"x")


@pytest.mark.parametrize(
    ("add", "parts"),
    [
        (lambda z: z.writestr("../evil.png", b"x"), ['"../evil.png" points outside']),
        (lambda z: z.writestr("train/../../evil.png", b"x"), ["points outside"]),
        (lambda z: z.writestr("/etc/evil.png", b"x"), ['"/etc/evil.png" points outside']),
        (lambda z: z.writestr("C:\\evil.png", b"x"), ["points outside"]),
        (lambda z: z.writestr("..\\evil.png", b"x"), ["points outside"]),
        (add_link, ['"train/cat/link.png" is a link']),
        (add_twice, ['"train/cat/0.png" occurs twice']),
        (lambda z: z.writestr("train/cat/\x1b[2Jx.txt/../..", b"x"), ["?[2Jx"]),
    ],
)
def test_a_zip_that_is_not_to_be_trusted_is_refused(
    make_tree: Any, tree_files: Any, tmp_path: Path, add: Any, parts: list[str]
) -> None:
    path = make_tree(tree_files(), "photos.zip")
    with zipfile.ZipFile(path, "a") as archive:
        add(archive)
    message = refusal(path)
    for part in parts:
        assert part in message
    assert not list(tmp_path.rglob("evil*"))


def test_an_encrypted_zip_is_refused(make_tree: Any, tree_files: Any) -> None:
    path = make_tree(tree_files(), "photos.zip")
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1
    path.write_bytes(content)
    message = refusal(path)
    assert '"train/cat/0.png" is encrypted' in message
    assert "without a password" in message


def test_an_unknown_compression_is_refused(make_tree: Any, tree_files: Any) -> None:
    path = make_tree(tree_files(), "photos.zip")
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    content[directory + 10] = 9
    path.write_bytes(content)
    assert "is compressed with method 9" in refusal(path)


def test_a_huge_file_is_refused_by_what_the_zip_says_of_it(
    make_tree: Any, tree_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_archive, "MAX_FILE_BYTES", 1000)
    path = make_tree(
        tree_files() | {"test/cat/bomb.png": bytes(1001)},
        "photos.zip",
        compression=zipfile.ZIP_DEFLATED,
    )
    assert '"test/cat/bomb.png" has 1,001 bytes' in refusal(path)


def test_a_bomb_is_refused_before_it_is_unpacked(
    make_tree: Any, tree_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bomb = {f"test/cat/{number}.png": bytes(1_000_000) for number in range(4)}
    path = make_tree(tree_files() | bomb, "bomb.zip", compression=zipfile.ZIP_DEFLATED)
    assert "cannot be read" in refusal(path)  # Little enough: each is a bad image.
    monkeypatch.setattr(_files, "MAX_SMALL_BYTES", 1_000_000)
    monkeypatch.setattr(_files, "MAX_GROWTH", 20)
    again = path.rename(path.with_name("again.zip"))  # What was opened is not looked at again.
    assert "it would unpack to 4 MB, far more than pictures of its size" in refusal(again)


def test_a_member_that_is_longer_than_it_says_is_a_bad_image(
    make_tree: Any, tree_files: Any
) -> None:
    files = tree_files() | {"test/cat/long.png": bytes(1_000_000)}
    path = make_tree(files, "photos.zip", compression=zipfile.ZIP_DEFLATED)
    content = path.read_bytes()
    said = (1_000_000).to_bytes(4, "little")
    assert content.count(said) == 2  # Before the member, and in the directory.
    path.write_bytes(content.replace(said, (1000).to_bytes(4, "little")))
    assert "test/cat/long.png (damaged in the zip" in refusal(path)


def test_a_huge_file_in_a_folder_is_a_bad_image(
    make_tree: Any, tree_files: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_files, "MAX_FILE_BYTES", 1000)
    path = make_tree(tree_files() | {"test/cat/big.png": bytes(1001)})
    assert "test/cat/big.png (the file is larger" in refusal(path)


@pytest.mark.parametrize("kept", [0, 1, 100, 0.5, 0.99])
def test_a_damaged_zip_is_one_line(make_tree: Any, tree_files: Any, kept: float) -> None:
    path = make_tree(tree_files(), "photos.zip")
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept) if kept < 1 else int(kept)])
    message = refusal(path)
    assert f"--data {path}: it is not a zip, or a damaged one" in message


def test_a_link_that_leaves_the_folder_is_refused(
    make_tree: Any, tree_files: Any, tmp_path: Path
) -> None:
    path = make_tree(tree_files())
    (tmp_path / "secret.png").write_bytes(b"x")
    (path / "train/cat/link.png").symlink_to(tmp_path / "secret.png")
    message = refusal(path)
    assert "train/cat/link.png is a link to a file outside of it" in message


@pytest.mark.parametrize("target", ["..", "/etc", "../dog"])
def test_a_link_to_a_folder_is_refused(make_tree: Any, tree_files: Any, target: str) -> None:
    path = make_tree(tree_files())
    (path / "train/owl").symlink_to(target if target != "../dog" else "dog")
    assert "train/owl is a link to a folder" in refusal(path)


def test_a_link_within_the_folder_is_followed(make_tree: Any, tree_files: Any) -> None:
    path = make_tree(tree_files())
    (path / "test/cat/same.png").symlink_to("0.png")
    assert len(load(path).test) == 5


def test_links_in_a_loop_and_pipes_are_refused(make_tree: Any, tree_files: Any) -> None:
    path = make_tree(tree_files())
    (path / "train/cat/loop.png").symlink_to("loop.png")
    assert "train/cat/loop.png is neither a file nor a folder" in refusal(path)
    (path / "train/cat/loop.png").unlink()
    os.mkfifo(path / "train/cat/pipe.png")
    assert "train/cat/pipe.png is a FIFO" in refusal(path)


def test_images_over_fifty_megapixels_are_bad_and_quiet(
    make_tree: Any, tree_files: Any, recwarn: pytest.WarningsRecorder
) -> None:
    content = io.BytesIO()
    Image.new("1", (10_000, 9_900)).save(content, "PNG")  # over what Pillow warns of
    path = make_tree(tree_files() | {"test/cat/map.png": content.getvalue()})
    assert "test/cat/map.png (over 50 megapixels)" in refusal(path)
    assert not recwarn.list
