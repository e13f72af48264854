"""Arrays of a program are checked as those of a file are, and are never written into a recipe."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.data import SPLITS
from edgecv.core.errors import InputError
from edgecv.core.registry import DATASETS
from edgecv.datasets.arrays import Arrays
from edgecv.datasets.npz import Npz
from edgecv.datasets.resolve import resolve

pytestmark = pytest.mark.quick

SHAPE = (8, 8, 3)


def without_training(arrays: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in arrays.items() if name.endswith("test")}


def load(source: Any, shape: Any = SHAPE) -> Any:
    return source.load(shape, 0, lambda done, total: None)


def test_a_dict_a_tuple_and_a_file_give_the_same_splits(
    arrays: dict[str, Any], tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    of_file = load(Npz.at(tmp_path / "data.npz"))
    for given in (arrays, tuple(arrays.values()), list(arrays.values())):
        data = load(Arrays.of(given))
        assert data.name == "arrays"
        assert [data.split(each).sha256 for each in SPLITS] == [
            of_file.split(each).sha256 for each in SPLITS
        ]


def test_test_arrays_alone_are_enough(arrays: dict[str, Any]) -> None:
    source = Arrays.of((arrays["x_test"], arrays["y_test"]))
    assert [len(load(source).split(name)) for name in SPLITS] == [0, 0, 0, 6]
    assert source.most_calibration_images() == 0


def test_as_many_calibrate_as_are_promised(arrays: dict[str, Any]) -> None:
    source = Arrays.of(arrays)
    assert source.most_calibration_images() == len(load(source).calibration)


def test_class_names_may_be_a_list(arrays: dict[str, Any]) -> None:
    source = Arrays.of({**arrays, "class_names": ["ant", "bee", "fly"]})
    assert load(source).class_names == ("ant", "bee", "fly")
    assert source.sha256 != Arrays.of(arrays).sha256


def test_the_arrays_are_not_copied_and_not_changed(arrays: dict[str, Any]) -> None:
    before = arrays["x_train"].copy()
    source = Arrays.of(arrays)
    assert source._decoded is not None
    assert np.shares_memory(source._decoded.train_images, arrays["x_train"])
    load(source)
    np.testing.assert_array_equal(arrays["x_train"], before)


def test_a_view_hashes_as_its_copy(arrays: dict[str, Any]) -> None:
    flipped = {**arrays, "x_test": arrays["x_test"][:, ::-1]}
    copied = {**flipped, "x_test": flipped["x_test"].copy()}
    assert Arrays.of(flipped).sha256 == Arrays.of(copied).sha256 != Arrays.of(arrays).sha256


def test_other_sizes_are_resized_and_noted(arrays: dict[str, Any]) -> None:
    data = load(Arrays.of(arrays), (4, 6, 1))
    assert data.image_shape == (4, 6, 1)
    assert data.notes[0] == "36 images of another size were resized to 4x6 (bilinear, stretched)"


def test_a_recipe_says_what_they_were_and_cannot_be_run_again(arrays: dict[str, Any]) -> None:
    source = Arrays.of(arrays)
    table = DATASETS.table(source)
    assert table == {"source": "arrays", "validation": 0.05, "sha256": source.sha256}
    again = DATASETS.parse(table, "recipe.toml, [data]")
    with pytest.raises(InputError, match=r"arrays in a Python program.*such as a \.npz"):
        load(again)
    with pytest.raises(InputError, match="arrays in a Python program"):
        again.most_calibration_images()


def test_no_image_files_to_skip(arrays: dict[str, Any]) -> None:
    source = Arrays.of(arrays)
    assert resolve(source) is source
    with pytest.raises(InputError, match="arrays holds no image files to skip"):
        resolve(source, skip_bad_images=True)


def test_they_come_from_no_path(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="given in Python"):
        Arrays.at(tmp_path)


@pytest.mark.parametrize(
    ("change", "parts"),
    [
        (lambda a: (a["x_test"],), ["1 array was given", "(x_test, y_test)"]),
        (lambda a: {"x_test": a["x_test"]}, ["there is no y_test; there is x_test"]),
        (lambda a: {**a, "y_train": None}, ["there is no y_train"]),
        (lambda a: {**a, "x_tset": a["x_test"]}, ['called "x_tset"', 'did you mean "x_test"?']),
        (lambda a: {**a, "x_test": a["x_test"] / 255}, ["x_test holds float64", "multiply by 255"]),
        (lambda a: {**a, "x_train": a["x_train"] * 1.0}, ["x_train holds float64", "cast: x.rou"]),
        (lambda a: {**a, "y_test": np.eye(3)[a["y_test"]]}, ["shape (6, 3)", "argmax(axis=1)"]),
        (lambda a: {**a, "y_test": a["y_test"][1:]}, ["5 labels for 6 images"]),
        (lambda a: {**a, "y_test": list("abcabc")}, ["y_test holds <U1"]),
        (lambda a: {**a, "y_test": [object()] * 6}, ["y_test holds Python objects", "dtype=int"]),
        (lambda a: {**a, "x_test": [[1], [1, 2]]}, ["x_test is no array"]),
        (lambda a: {**a, "class_names": [1, 2, 3]}, ["class_names is int64", "dtype=str"]),
        (lambda a: {**a, "class_names": ["a", "b"]}, ["y_train[2] is 2", "0..1"]),
        (
            lambda a: {"x": a["x_train"], "y": a["y_train"]} | without_training(a),
            ["there is x, of images without splits, beside ", "call x and y x_train and y_train"],
        ),
        (lambda a: {**a, "y": a["y_test"]}, ["there is y, of images without", "leave y out"]),
        (
            lambda a: {**a, "y_test_depth": np.ones(6), "y_depth_test": np.ones(6)},
            ["there are y_test_depth and y_depth_test"],
        ),
    ],
)
def test_wrong_arrays_are_refused(arrays: dict[str, Any], change: Any, parts: list[str]) -> None:
    with pytest.raises(InputError) as caught:
        Arrays.of(change(arrays))
    for part in ["--data: ", *parts]:
        assert part in str(caught.value)


def test_a_test_set_beside_images_without_splits_is_not_dropped(
    arrays: dict[str, Any], tmp_path: Path
) -> None:
    """Test images were drawn from x, and the given ones were left out without a word."""
    whole = {"x": arrays["x_train"], "y": arrays["y_train"]}
    np.savez(tmp_path / "data.npz", **whole, x_test=arrays["x_test"])
    with pytest.raises(InputError, match="there is x, of images without splits, beside x_test"):
        load(Npz.at(tmp_path / "data.npz"))


def test_more_than_memory_should_hold_is_refused(
    arrays: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edgecv.datasets.arrays.MAX_BYTES", 1000)
    with pytest.raises(InputError, match="too large"):
        Arrays.of(arrays)
