"""Files that fuzzing has found: each gets a line that says what is wrong with it."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.datasets.resolve import resolve
from edgecv.formats.lookup import importer_of
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.system.isolation import check_hdf5
from edgecv.system.isolation import hdf5_check as hdf5
from edgecv.system.storage import Store


def zip_whose_directory_names_nothing() -> bytes:
    content = io.BytesIO()
    info = zipfile.ZipInfo("placeholder")
    info.filename = ""
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("test/cat/1.png", b"x")
        archive.writestr(info, b"x", zipfile.ZIP_STORED)
    return content.getvalue()


def npz_whose_class_names_are_no_text() -> bytes:
    names = np.array([b"\xff\xff\xff\x7f", b"a\x00\x00\x00"]).view("S4")
    content = io.BytesIO()
    images = np.zeros((4, 8, 8, 1), np.uint8)
    np.savez(
        content,
        x_test=images,
        y_test=np.arange(4) % 2,
        class_names=np.frombuffer(names.tobytes().ljust(8, b"\0"), "<U1"),
    )
    return content.getvalue()


FOUND: list[tuple[Callable[[], bytes], str, str]] = [
    (zip_whose_directory_names_nothing, ".zip", "is the name of nothing"),
    (npz_whose_class_names_are_no_text, ".npz", "class_names holds what is no text"),
]


@pytest.mark.parametrize(("make", "suffix", "message"), FOUND, ids=[each[2] for each in FOUND])
def test_a_data_set_that_broke_its_reader_is_refused(
    make: Callable[[], bytes], suffix: str, message: str, tmp_path: Path
) -> None:
    path = tmp_path / f"data{suffix}"
    path.write_bytes(make())
    with pytest.raises(InputError) as caught:
        resolve(str(path)).load((8, 8, 1), 0, lambda done, total: None)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.fixture
def endless(tmp_path: Path) -> Path:
    """Return an HDF5 file on which its library loops for ever, 16 bytes back each time."""
    path = tmp_path / "endless.h5"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = "x" * 100
    content = bytearray(path.read_bytes())
    size_of_first = content.index(b"GCOL") + 24
    content[size_of_first : size_of_first + 8] = (2**64 - 16).to_bytes(8, "little")
    path.write_bytes(content)
    return path


def test_a_keras_file_that_hangs_hdf5_is_refused_in_time(
    endless: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hdf5, "SECONDS", 1)
    packed = tmp_path / "endless.keras"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(endless, "model.weights.h5")
    for path in (endless, packed):
        recipe = CompressOptions(model=str(path), data="digits").to_recipe()
        with pytest.raises(
            InputError, match="HDF5 took more than 1 s of computing while reading it"
        ):
            run(recipe, Store(tmp_path / "exported"))
    assert not (tmp_path / "exported").exists()


def test_a_keras_file_that_hdf5_cannot_read_is_refused(endless: Path) -> None:
    endless.write_bytes(endless.read_bytes()[:1000])
    with pytest.raises(InputError, match="HDF5 cannot read it"):
        check_hdf5(endless)


def test_an_archive_that_points_before_itself_is_refused_as_damaged(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("model.weights.h5", b"x" * 100)
    content = bytearray(path.read_bytes())
    offset_of_directory = len(content) - 6
    content[offset_of_directory : offset_of_directory + 4] = (2**20).to_bytes(4, "little")
    path.write_bytes(content)
    check_hdf5(path)  # Not this one's to say.
    with pytest.raises(InputError):
        importer_of(path).load_with_notes(path)
