"""Arrays are checked before they are believed."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from refusals import refusal_of

from edgecv.core.data import SPLITS, Dataset
from edgecv.datasets import npz_arrays as _arrays
from edgecv.datasets.image_tree import folder_tree as _files
from edgecv.datasets.npz import Npz

pytestmark = pytest.mark.quick

SHAPE = (8, 8, 3)
Arrays = dict[str, Any]


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Arrays], Path]:
    def write(arrays: Arrays, compressed: bool = False) -> Path:
        path = tmp_path / "things.npz"
        (np.savez_compressed if compressed else np.savez)(path, **arrays)
        return path

    return write


def load(path: Path, shape: Any = SHAPE) -> Dataset:
    return Npz.at(path).load(shape, 0, lambda done, total: None)


def refusal(path: Path) -> str:
    return refusal_of(lambda: load(path))


@pytest.mark.parametrize("compressed", [False, True])
def test_arrays_are_read(arrays: Arrays, save: Any, compressed: bool) -> None:
    arrays |= {"class_names": np.array(["ant", "bee", "fly"])}
    data = load(save(arrays, compressed))
    assert data.name == "things.npz"
    assert data.class_names == ("ant", "bee", "fly")
    assert data.notes == ()
    assert [len(data.split(name)) for name in SPLITS] == [23, 4, 3, 6]
    np.testing.assert_array_equal(data.test.images, arrays["x_test"])
    np.testing.assert_array_equal(data.test.labels, arrays["y_test"])


def test_classes_without_names_are_numbers(arrays: Arrays, save: Any) -> None:
    assert load(save(arrays)).class_names == ("0", "1", "2")


def test_test_arrays_alone_are_enough(arrays: Arrays, save: Any) -> None:
    del arrays["x_train"], arrays["y_train"]
    data = load(save(arrays))
    assert [len(data.split(name)) for name in SPLITS] == [0, 0, 0, 6]


@pytest.mark.parametrize(
    "change",
    [
        lambda a: a | {"y_test": a["y_test"][:, None]},
        lambda a: a | {"y_test": a["y_test"].astype(np.uint8)},
        lambda a: a | {"y_test": a["y_test"].astype(np.float64)},
        lambda a: a | {"x_test": a["x_test"].astype(np.int64)},
        lambda a: a | {"x_test": np.asfortranarray(a["x_test"])},
    ],
)
def test_what_means_the_same_is_accepted(arrays: Arrays, save: Any, change: Any) -> None:
    expected = load(save(arrays))
    assert load(save(change(arrays))).test.sha256 == expected.test.sha256


def test_grey_arrays_without_channels(arrays: Arrays, save: Any) -> None:
    arrays |= {name: arrays[name][..., 0] for name in ("x_train", "x_test")}
    assert load(save(arrays), (8, 8, 1)).image_shape == (8, 8, 1)
    data = load(save(arrays), (8, 8, 3))
    assert data.image_shape == (8, 8, 3)
    assert data.notes == ()


def test_other_sizes_are_resized_once_and_noted(arrays: Arrays, save: Any, cache: Path) -> None:
    path = save(arrays)
    data = load(path, (4, 6, 1))
    assert data.image_shape == (4, 6, 1)
    assert data.notes == (
        "36 images of another size were resized to 4x6 (bilinear, stretched)",
        "36 colour images were turned to grey",
    )
    assert load(path, (4, 6, 1)).notes == data.notes
    assert len(list((cache / "decoded").glob("*/meta.json"))) == 1


def test_other_arrays_are_noted(arrays: Arrays, save: Any) -> None:
    assert load(save(arrays | {"x_val": np.zeros(1)})).notes == ("not read: x_val",)


def replaced(**changes: Any) -> Callable[[Arrays], Arrays]:
    return lambda arrays: (
        arrays
        | {
            name: change(arrays.get(name)) if callable(change) else change
            for name, change in changes.items()
        }
    )


def without(*names: str) -> Callable[[Arrays], Arrays]:
    return lambda arrays: {key: value for key, value in arrays.items() if key not in names}


def put(index: int, value: Any, dtype: Any = None) -> Callable[[Any], Any]:
    def change(array: Any) -> Any:
        array = array.astype(dtype) if dtype else array.copy()
        array[index] = value
        return array

    return change


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda a: {"images": a["x_test"]}, ["no x_test and no y_test", "there is images"]),
        (without("x_test"), ["there is no x_test", "x_train, y_test, y_train"]),
        (without("y_train"), ["there is no y_train"]),
        (without("x_train"), ["there is no x_train"]),
        (replaced(x_test=lambda x: x[0, 0]), ["x_test has the shape (8, 3)", "(N, height"]),
        (replaced(x_test=lambda x: x[:0], y_test=lambda y: y[:0]), ["x_test has the shape (0,"]),
        (replaced(x_test=lambda x: x / 255), ["x_test holds float64", "multiply by 255"]),
        (replaced(x_test=lambda x: x * 1.0), ["x_test holds float64", "cast: x.round()"]),
        (replaced(x_test=lambda x: x > 9), ["x_test holds bool", "multiply by 255"]),
        (replaced(x_test=lambda x: x.astype("U1")), ["x_test holds <U1", "uint8"]),
        (replaced(x_test=lambda x: x.astype(int) * 2), ["x_test holds values in 0..5", "0..255"]),
        (replaced(x_test=lambda x: x.astype(int) - 1), ["x_test holds values in -1.."]),
        (replaced(x_test=lambda x: x[:, 1:]), ["(8, 8, 3), x_test of (7, 8, 3)", "one shape"]),
        (replaced(y_test=lambda y: y[1:]), ["y_test has 5 labels for 6 images"]),
        (replaced(y_test=lambda y: np.eye(3)[y]), ["y_test has the shape (6, 3)", "argmax"]),
        (replaced(y_test=put(4, -1)), ["y_test[4] is -1", "whole numbers"]),
        (replaced(y_test=put(3, 1.5, float)), ["y_test[3] is 1.5", "whole numbers"]),
        (replaced(y_test=put(3, np.nan, float)), ["y_test[3] is nan"]),
        (replaced(y_test=put(2, 2**63 - 1)), [f"y_test[2] is {2**63 - 1}"]),
        (replaced(y_train=put(2, 10**9)), ["y_train[2] is 1000000000", "0..35"]),
        (replaced(y_test=lambda y: y.astype(str)), ["y_test holds <U"]),
        (replaced(y_test=lambda y: np.zeros_like(y)), ['"1" has no test image']),
        (replaced(class_names=np.array(["a", "b"])), ["y_train[2] is 2", "0..1"]),
        (replaced(class_names=np.array(list("abcd"))), ['"d" has no test image']),
        (replaced(class_names=np.array(list("aba"))), ["names a class twice"]),
        (replaced(class_names=np.array([1, 2, 3])), ["class_names is int64", "dtype=str"]),
        (replaced(class_names=np.array([["a"]])), ["of shape (1, 1)"]),
        (
            replaced(class_names=np.array(["a", "b", "c"], object)),
            ["class_names holds Python objects", "dtype=str"],
        ),
        (replaced(y_test=np.array([0] * 6, object)), ["y_test holds Python objects"]),
    ],
)
def test_wrong_arrays_are_refused(arrays: Arrays, save: Any, change: Any, parts: list[str]) -> None:
    path = save(change(arrays))
    message = refusal(path)
    for part in [f"--data {path}: ", *parts]:
        assert part in message


def test_channels_first_is_recognised(arrays: Arrays, save: Any) -> None:
    arrays |= {name: arrays[name].transpose(0, 3, 1, 2) for name in ("x_train", "x_test")}
    message = refusal(save(arrays))
    assert "shape (3, 8, 8)" in message
    assert "move the channels to the last axis" in message


def test_a_pickle_is_not_run(arrays: Arrays, save: Any, tmp_path: Path) -> None:
    import os

    class Attack:
        def __reduce__(self) -> Any:
            return os.system, (f"touch {tmp_path / 'marker'}",)

    assert "Python objects" in refusal(save(arrays | {"y_test": np.array([Attack()], object)}))
    assert not (tmp_path / "marker").exists()


def test_a_header_that_lies_is_refused(arrays: Arrays, save: Any, tmp_path: Path) -> None:
    content = io.BytesIO()
    np.save(content, arrays["x_test"])
    lie = content.getvalue().replace(b"(6, 8, 8, 3)", b"(9**9,8,8,3)")
    huge = content.getvalue().replace(b"(6, 8, 8, 3), }", b"(6, 8, 8, 30000000000), }")
    header = struct.unpack("<H", huge[8:10])[0]
    huge = huge[:8] + struct.pack("<H", header + 10) + huge[10:]
    for x_test, part in ((lie, "damaged"), (huge, "x_test says that it is uint8 of shape")):
        path = tmp_path / "lie.npz"
        with zipfile.ZipFile(save(arrays)) as source, zipfile.ZipFile(path, "w") as target:
            for name in source.namelist():
                target.writestr(name, x_test if name == "x_test.npy" else source.read(name))
        assert part in refusal(path)


def test_what_does_not_fit_in_memory_is_refused(
    arrays: Arrays, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_arrays, "MAX_BYTES", 1000)
    assert "it is too large" in refusal(save(arrays))


@pytest.mark.parametrize("kept", [0.0, 0.5, 0.99])
def test_a_damaged_file_is_one_line(arrays: Arrays, save: Any, kept: float) -> None:
    path = save(arrays)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    assert "it is not a .npz, or a damaged one" in refusal(path)


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    assert "there is no such file" in refusal(tmp_path / "nothing.npz")


def test_a_bomb_is_refused_before_it_is_unpacked(
    arrays: Arrays, save: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays["x_test"] = np.zeros((6, 400, 400, 3), np.uint8)
    arrays["x_train"] = np.zeros((30, 400, 400, 3), np.uint8)
    monkeypatch.setattr(_files, "MAX_SMALL_BYTES", 1_000_000)
    assert "it would unpack to 17.3 MB, far more than images do" in refusal(save(arrays, True))
