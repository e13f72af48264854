"""CIFAR-10's own files: read whole, checked, and never run."""

import gzip
import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from refusals import refusal_of

from edgecv.core.data import SPLITS, Dataset
from edgecv.datasets import cifar10
from edgecv.datasets.cifar10 import Cifar10
from edgecv.datasets.cifar_files import batches as _batches

pytestmark = pytest.mark.quick

SHAPE = (32, 32, 3)
NAMES = b"airplane automobile bird cat deer dog frog horse ship truck".split()
BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
Files = dict[str, bytes]


class PythonTwo(pickle._Pickler):
    """Pickles bytes as Python 2 pickled strings, and names numpy's module as it was then."""

    dispatch: ClassVar[dict[Any, Any]] = dict(pickle._Pickler.dispatch)

    def save_bytes(self, value: bytes) -> None:
        self.write(b"T" + len(value).to_bytes(4, "little") + value)
        self.memoize(value)

    dispatch[bytes] = save_bytes


def pickled(value: Any) -> bytes:
    stream = io.BytesIO()
    PythonTwo(stream, 2).dump(value)
    return stream.getvalue().replace(b"numpy._core.multiarray", b"numpy.core.multiarray")


def pixels(batch: int, count: int = 20) -> np.ndarray[Any, Any]:
    return np.random.default_rng(batch).integers(0, 256, (count, 3072), dtype=np.uint8)


@pytest.fixture
def files() -> Files:
    """Return the members of a small archive: 20 images a batch."""
    made = {"batches.meta": pickled({b"num_cases_per_batch": 20, b"label_names": NAMES})}
    for number, name in enumerate(BATCHES):
        batch = {
            b"batch_label": name.encode(),
            b"labels": [image % 10 for image in range(20)],
            b"data": pixels(number),
            b"filenames": [b"x.png"] * 20,
        }
        made[name] = pickled(batch)
    return made


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[Files], Path]:
    def make(files: Files, path: Path = tmp_path / "cifar-10-python.tar.gz") -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tarfile.open(path, "w:gz") as tar:
            for name, content in files.items():
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return path

    return make


def load(path: Path | None, shape: Any = SHAPE) -> Dataset:
    source = Cifar10() if path is None else Cifar10.at(path)
    return source.load(shape, 0, lambda done, total: None)


def refusal(path: Path | None) -> str:
    return refusal_of(lambda: load(path))


def check(data: Dataset) -> None:
    assert data.name == "cifar10"
    assert data.class_names == tuple(name.decode() for name in NAMES)
    assert [len(data.split(name)) for name in SPLITS] == [75, 15, 10, 20]
    expected = pixels(5).reshape(20, 3, 32, 32)
    np.testing.assert_array_equal(data.test.images[7][3, 4], expected[7, :, 3, 4])
    assert data.test.labels.tolist() == [image % 10 for image in range(20)]


def write_folder(folder: Path, files: Files) -> Path:
    folder.mkdir()
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


def binary(files: Files) -> Files:
    made = {"batches.meta.txt": b"\n".join(NAMES) + b"\n\n"}
    for number, name in enumerate(BATCHES):
        labels = np.arange(20, dtype=np.uint8) % 10
        made[f"{name}.bin"] = np.hstack([labels[:, None], pixels(number)]).tobytes()
    return made


def test_an_archive_a_folder_and_the_binary_version_agree(
    files: Files, archive: Any, tmp_path: Path
) -> None:
    made = load(archive(files))
    check(made)
    for folder, content in (
        ("cifar-10-batches-py", files),
        ("cifar-10-batches-bin", binary(files)),
    ):
        data = load(write_folder(tmp_path / folder, content))
        check(data)
        for name in SPLITS:
            assert data.split(name).sha256 == made.split(name).sha256


def test_an_archive_is_unpacked_once(
    files: Files, archive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(files)
    first = load(path)
    monkeypatch.setattr(cifar10, "read_archive", None)
    assert load(path).train.sha256 == first.train.sha256


def test_pickles_of_python_3_are_read_too(files: Files, archive: Any) -> None:
    for number, name in enumerate(BATCHES):
        batch = {"labels": [image % 10 for image in range(20)], "data": pixels(number)}
        files[name] = pickle.dumps(batch, 4)
    check(load(archive(files)))


def test_other_shapes_are_made_and_noted(files: Files, archive: Any) -> None:
    data = load(archive(files), (16, 16, 1))
    assert data.image_shape == (16, 16, 1)
    assert data.notes == (
        "120 images of another size were resized to 16x16 (bilinear, stretched)",
        "120 colour images were turned to grey",
    )


@pytest.mark.parametrize("name", ["x.tar.gz", "x.tgz", "X.TAR.GZ"])
def test_it_accepts_archives(tmp_path: Path, name: str) -> None:
    assert not Cifar10.accepts(tmp_path / name)
    (tmp_path / name).write_bytes(b"")
    assert Cifar10.accepts(tmp_path / name)


class Attack:
    """Writes a file when it is unpickled by who does not take care."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("place", ["batches.meta", "data_batch_1", "test_batch"])
@pytest.mark.parametrize("inside", [True, False])
def test_a_malicious_pickle_runs_nothing(
    files: Files, archive: Any, tmp_path: Path, place: str, inside: bool
) -> None:
    marker = tmp_path / "marker"
    attack = Attack(os.system, f"touch {marker}")
    files[place] = pickle.dumps({b"labels": [attack], b"data": attack} if inside else attack, 4)
    path = archive(files)
    message = refusal(path)
    assert not marker.exists()
    for part in (f"--data {path}: {place} asks for posix.system", "it may be an attack"):
        assert part in message


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"c__builtin__\neval\n(S'1'\ntR.", "asks for __builtin__.eval"),
        (b"cnumpy\nload\n(S'x'\ntR.", "asks for numpy.load"),
        (b"cnumpy.core.multiarray\nfromfile\n.", "asks for numpy.core.multiarray.fromfile"),
        (b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93.", "asks for numpy.ndarray.dump"),
        (b"cnumpy\nndarray\n(I9\ntR.", "something else than arrays of bytes"),
        (b"cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR.", "something else than arrays of bytes"),
        (b"cnumpy\ndtype\n(dS'x'\nI1\nsb.", "changes what it may only name"),
        (b"cnumpy\nndarray\n)\x81.", "is damaged"),
        (b"cnumpy\ndtype\n(S'u1'\nI0\nI1\ntR.", 'holds no "data"'),
        (b"", "is damaged"),
        (b"\x80\x02K", "is damaged"),
        (b"].", 'holds no "data"'),
        (pickled({b"data": pixels(0), b"labels": [0] * 19}), "one whole number as label"),
        (pickled({b"data": pixels(0), b"labels": [0.5] * 20}), "one whole number as label"),
        (pickled({b"data": pixels(0), b"labels": [10] * 20}), "a label that is not in 0..9"),
        (pickled({b"data": pixels(0), b"labels": [-1] * 20}), "a label that is not in 0..9"),
        (pickled({b"data": pixels(0)[:, 1:], b"labels": [0] * 20}), "images of 3072 bytes"),
        (pickled({b"data": pixels(0)[:0], b"labels": []}), "images of 3072 bytes"),
        (pickled({b"data": pixels(0).astype(np.int16)}), "something else than arrays of bytes"),
        (pickled({b"data": np.array([{}], object)}), "something else than arrays of bytes"),
        (pickled({b"data": b"x" * 3072, b"labels": [0]}), 'holds no "data"'),
        (pickled({b"data": pixels(0)}), 'holds no "labels"'),
    ],
)
def test_a_batch_of_anything_else_is_refused(
    files: Files, archive: Any, content: bytes, reason: str
) -> None:
    message = refusal(archive(files | {"data_batch_2": content}))
    assert "data_batch_2 " in message
    assert reason in message


@pytest.mark.parametrize("missing", ["batches.meta", "data_batch_3", "test_batch"])
def test_a_missing_batch_is_named(files: Files, archive: Any, missing: str) -> None:
    del files[missing]
    assert f"there is no {missing}" in refusal(archive(files))


def test_class_names_are_checked(files: Files, archive: Any) -> None:
    files["batches.meta"] = pickled({b"label_names": NAMES[:9]})
    assert "batches.meta does not name 10 classes" in refusal(archive(files))


@pytest.mark.parametrize("length", [0, 3072, 3074])
def test_a_binary_batch_of_another_length_is_refused(
    files: Files, tmp_path: Path, length: int
) -> None:
    content = binary(files) | {"data_batch_4.bin": bytes(length)}
    message = refusal(write_folder(tmp_path / "cifar-10-batches-bin", content))
    assert "data_batch_4.bin is not made of records of 3073 bytes" in message


def test_a_huge_member_is_not_read(
    files: Files, archive: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_batches, "MAX_MEMBER_BYTES", 10_000_000)
    files["data_batch_9"] = bytes(10_000_001)
    assert "data_batch_9 has 10,000,001 bytes" in refusal(archive(files))


def test_an_archive_that_unpacks_to_too_much_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_batches._Bounded, "_left", 5_000_000)
    path = tmp_path / "bomb.tar.gz"
    header = tarfile.TarInfo("x")
    header.type = tarfile.XHDTYPE  # tarfile reads such headers into memory, whatever their size
    header.size = 8_000_000
    with gzip.open(path, "wb") as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT) + bytes(8_000_000))
    assert "it unpacks to over" in refusal(path)


def test_a_link_in_an_archive_is_not_followed(files: Files, tmp_path: Path) -> None:
    path = tmp_path / "links.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name in (*files,):
            info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(info)
    assert "there is no batches.meta" in refusal(path)


@pytest.mark.parametrize("content", [b"", b"these are words", None])
def test_a_damaged_archive_is_named(
    files: Files, archive: Any, tmp_path: Path, content: bytes | None
) -> None:
    path = archive(files)
    path.write_bytes(path.read_bytes()[:20_000] if content is None else content)
    message = refusal(path)
    assert f"--data {path}: not a .tar.gz, or a damaged one" in message
    assert "get it again" in message


def publish(path: Path, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """Pretend that what is at ``path`` is what the authors published."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    remote = replace(cifar10.PUBLISHED, url="http://127.0.0.1:9/none", sha256=sha256, **changes)
    monkeypatch.setattr(cifar10, "PUBLISHED", remote)


def test_without_a_path_the_cache_is_used(
    files: Files, archive: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(archive(files, cache / "cifar-10-python.tar.gz"), monkeypatch)
    check(load(None))


def test_a_damaged_archive_in_the_cache_says_what_to_delete(
    files: Files, archive: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = archive(files, cache / "cifar-10-python.tar.gz")
    publish(path, monkeypatch)
    path.write_bytes(path.read_bytes()[:-1])
    message = refusal(None)
    assert f"delete {path} and run again" in message
    assert "SHA-256" in message


def test_neither_network_nor_cache(
    files: Files, archive: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(archive(files), monkeypatch)
    message = refusal(None)
    for part in (
        f"--data cifar10: not in {cache}",
        "http://127.0.0.1:9/none cannot be fetched",
        "--data PATH of your own cifar-10-python.tar.gz",
        "--data digits, which needs no network",
    ):
        assert part in message
