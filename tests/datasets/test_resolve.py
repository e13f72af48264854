"""What ``--data`` says is found, or the nearest is named."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.datasets.cifar10 import Cifar10
from edgecv.datasets.digits import Digits
from edgecv.datasets.images import ImageTree
from edgecv.datasets.npz import Npz
from edgecv.datasets.resolve import resolve, resolve_table

pytestmark = pytest.mark.quick


def refusal(text: str) -> str:
    with pytest.raises(InputError) as caught:
        resolve(text)
    return str(caught.value)


def test_names() -> None:
    assert resolve("cifar10") == Cifar10()
    assert resolve("digits") == Digits()


def test_images_are_not_skipped_where_there_are_none() -> None:
    with pytest.raises(InputError, match=r"--skip-bad-images.*leave it out"):
        resolve("digits", skip_bad_images=True)


def test_options_change_a_source_that_a_program_gives_too() -> None:
    """skip_bad_images was accepted beside a source, and its bad images still stopped the run."""
    given = ImageTree(path="photos")
    assert resolve(given, skip_bad_images=True, resize="pad") == ImageTree(
        path="photos", skip_bad_images=True, resize="pad"
    )
    own = ImageTree(path="photos", skip_bad_images=True)
    assert resolve(own) == own


def test_paths(make_tree: Any, tree_files: Any, tmp_path: Path) -> None:
    folder, archive = make_tree(tree_files()), make_tree(tree_files(), "photos.ZIP.zip")
    nested = make_tree({f"inner/{k}": v for k, v in tree_files().items()}, "outer")
    np.savez(tmp_path / "a.npz", x=1)
    batches = make_tree({"test_batch": b""}, "batches")
    tar = make_tree({"cifar.tar.gz": b""}, "tars") / "cifar.tar.gz"
    assert resolve(str(folder)) == ImageTree(path=str(folder))
    assert resolve(str(nested)) == ImageTree(path=str(nested))
    assert resolve(str(archive), skip_bad_images=True) == ImageTree(
        path=str(archive), skip_bad_images=True
    )
    assert resolve(str(tmp_path / "a.npz")) == Npz(path=str(tmp_path / "a.npz"))
    assert resolve(str(batches)) == Cifar10(path=str(batches))
    assert resolve(str(tar)) == Cifar10(path=str(tar))


def test_a_path_as_the_kind_of_data_is_told_how_to_write_it(
    make_tree: Any, tree_files: Any
) -> None:
    """It was an unknown data set, and its own name was none of those that are accepted."""
    tree = str(make_tree(tree_files()))
    with pytest.raises(InputError) as caught:
        resolve_table({"source": tree}, "run.toml, [data]")
    told = re.search(
        r'write source = "(\w+)" and path = "(.*)"; or give --data ', str(caught.value)
    )
    assert told is not None
    assert resolve_table({"source": told[1], "path": told[2]}, "") == resolve(tree)


def test_a_name_wins_over_a_folder_of_that_name(
    make_tree: Any, tree_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tree_files(), "digits")
    make_tree(tree_files(), "images")
    monkeypatch.chdir(tmp_path)
    assert resolve("digits") == Digits()
    assert resolve("./digits") == ImageTree(path="digits")
    assert resolve("images") == ImageTree(path="images")


def test_home_is_understood(
    make_tree: Any, tree_files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tree_files())
    monkeypatch.setenv("HOME", str(tmp_path))
    source = resolve("~/photos")
    assert len(source.load((8, 8, 3), 0, lambda done, total: None).test) == 4


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        (
            "foo",
            [
                '--data: "foo" is neither a data set nor a file',
                "cifar10, digits, noise, scenes, a folder",
            ],
        ),
        ("cifar-10", ['did you mean "cifar10"?']),
        ("CIFAR10", ['did you mean "cifar10"?']),
        ("digit", ['did you mean "digits"?']),
        ("images", ['"images" is neither', "train/<class>/", ".npz"]),
        ("npz", ['"npz" is neither']),
        ("", ['"" is neither']),
        ("x" * 5000, ["is neither"]),
        ("a\x1b[2J", ['"a?[2J" is neither']),
        ("~nobody/photos", ["is neither"]),
    ],
)
def test_what_is_neither_is_refused(text: str, parts: list[str]) -> None:
    message = refusal(text)
    for part in parts:
        assert part in message


def test_a_path_that_no_source_reads_is_refused(make_tree: Any) -> None:
    folder = make_tree({"notes.txt": b"", "sub/x.txt": b""}, "stuff")
    assert (
        f"--data {folder}: neither train/ nor test/ is in it; there is notes.txt, sub"
        in refusal(str(folder))
    )
    assert "no data set can be read from it" in refusal(str(folder / "notes.txt"))
