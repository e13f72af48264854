"""What ``python -m tests.fuzz`` has found: each a line that says what is wrong with the file."""

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edgecv.datasets._resolve import resolve
from edgecv.errors import InputError


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
