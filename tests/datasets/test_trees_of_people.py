"""Image trees as people have them: no splits, val/, strange files, other aspects."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_images import load

from edgecv.core.data import Dataset, Split
from edgecv.core.errors import InputError
from edgecv.datasets.class_folders import ClassFolders
from edgecv.datasets.class_order import read_labels
from edgecv.datasets.resolve import resolve
from edgecv.pipeline.load_data import class_counts, counts_text, imbalance

pytestmark = pytest.mark.quick


@pytest.fixture
def classes(make_tree: Any, encode: Any) -> Path:
    """Return a folder with a folder for each class: 20 cats, 10 dogs."""
    files = {f"cat/{number}.png": encode((number, 0, 0)) for number in range(20)}
    files |= {f"dog/{number}.png": encode((number, 9, 0)) for number in range(10)}
    folder: Path = make_tree({**files, "dog/scan.tif": b"II*\0", "readme.txt": b"hello"})
    return folder


def test_class_folders_without_splits_are_labelled(classes: Path) -> None:
    source = resolve(str(classes))
    assert isinstance(source, ClassFolders)
    data = load(source)
    assert data.has_labels
    assert data.class_names == ("cat", "dog")
    assert np.bincount(data.test.labels).tolist() == [4, 2]
    assert sum(map(len, (data.train, data.calibration, data.validation, data.test))) == 30
    seen = {
        image.tobytes()
        for split in (data.train, data.calibration, data.validation, data.test)
        for image in split.images
    }
    assert len(seen) == 30
    notes = " ".join(data.notes)
    assert data.has_drawn_test
    assert "there is no test split: one image in 5 of each class was set aside" in notes
    assert "2 files beside the images were not read: dog/scan.tif, readme.txt" in notes


def test_classes_called_valid_and_invalid_are_no_splits(make_tree: Any, encode: Any) -> None:
    files = {
        f"{name}/{n}.png": encode((n, len(name), 0))
        for name in ("valid", "invalid")
        for n in range(8)
    }
    source = resolve(str(make_tree(files)))
    assert isinstance(source, ClassFolders)
    assert load(source).class_names == ("invalid", "valid")


def test_a_class_without_images_is_named(classes: Path) -> None:
    (classes / "ship" / "deep").mkdir(parents=True)
    with pytest.raises(InputError, match='"ship" holds no image'):
        load(resolve(str(classes)))


def test_the_split_of_class_folders_depends_on_the_seed_alone(classes: Path) -> None:
    source = ClassFolders(path=str(classes))
    first, again, other = (load(source, seed) for seed in (0, 0, 1))
    assert first.test.sha256 == again.test.sha256 != other.test.sha256
    assert source.most_calibration_images() == len(first.calibration)


@pytest.mark.parametrize(
    "files",
    [
        {"a/1.png": 1, "b/deep/2.png": 2, "c/3.png": 3},
        {"a/1.png": 1, "b/2.png": 2, "3.png": 3},
        {"a/1.png": 1, "a/2.png": 2, "a/3.png": 3},
    ],
    ids=["nested", "an image beside them", "one folder"],
)
def test_other_folders_stay_without_labels(make_tree: Any, encode: Any, files: Any) -> None:
    folder = make_tree({name: encode((value, 0, 0)) for name, value in files.items()})
    assert not resolve(str(folder)).has_labels


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
@pytest.mark.parametrize("packed", [False, True])
def test_validation_images_are_known(
    make_tree: Any, tree_files: Any, encode: Any, name: str, packed: bool
) -> None:
    files = tree_files()
    chosen = {f"{name}/{each}/{n}.png": encode((n, 50, 7)) for n in range(3) for each in ("cat",)}
    chosen |= {f"{name}/dog/{n}.png": encode((n, 60, 7)) for n in range(3)}
    tree = make_tree({**files, **chosen}, "photos.zip" if packed else "photos")
    data = load(resolve(str(tree)))
    assert len(data.validation) == 6
    assert set(data.validation.images[:][:, 0, 0, 2].tolist()) == {7}
    assert len(data.train) + len(data.calibration) == 16
    assert f"{name}/ was taken for the validation split" in data.notes
    again = load(resolve(str(tree), validation=0.3))  # From the cache.
    assert "the validation images are those of the data, not 0.3 of train" in again.notes
    assert again.validation.sha256 == data.validation.sha256


def test_validation_images_are_the_test_where_there_is_no_other(
    make_tree: Any, tree_files: Any
) -> None:
    files = {name.replace("test/", "val/"): each for name, each in tree_files().items()}
    data = load(resolve(str(make_tree(files))))
    assert len(data.test) == 4
    assert "val/ was taken for the test split: there is no test/" in data.notes


def test_two_folders_of_validation_images_are_refused(make_tree: Any, tree_files: Any) -> None:
    files = tree_files()
    both = {**files, "val/cat/1.png": b"", "valid/cat/1.png": b""}
    with pytest.raises(InputError, match="both val/ and valid/ are there"):
        load(resolve(str(make_tree(both))))


@pytest.mark.parametrize(
    ("resize", "left", "middle", "words"),
    [
        (None, 10, 200, "resized to 8x8 (bilinear, stretched)"),
        ("stretch", 10, 200, "resized to 8x8 (bilinear, stretched)"),
        ("crop", 200, 200, "resized to 8x8 (bilinear, cropped around the middle)"),
        ("pad", 10, 200, "resized to 8x8 (bilinear, padded with black)"),
    ],
)
def test_the_aspect_of_photographs_is_a_choice(
    make_tree: Any, encode: Any, resize: str | None, left: int, middle: int, words: str
) -> None:
    wide = np.full((16, 64, 3), 10, np.uint8)
    wide[:, 24:40] = 200
    files = {}
    for split, count in (("train", 4), ("test", 1)):
        for label, name in enumerate(("cat", "dog")):
            for number in range(count):
                picture = wide.copy()
                picture[0, 0] = number, label, split == "test"
                files[f"{split}/{name}/{number}.png"] = encode(picture)
    data = load(resolve(str(make_tree(files)), resize=resize))
    image = data.test.images[0][:, :, 0].astype(int)
    assert abs(image[4, 4] - middle) < 60
    assert abs(image[4, 0] - left) < 40
    assert (image[0, 4] == 0) == (resize == "pad")
    assert any(words in note for note in data.notes)


def test_resize_is_for_image_files() -> None:
    with pytest.raises(InputError, match="--resize: digits holds no image files"):
        resolve("digits", resize="crop")


def test_labels_of_teachable_machine_are_read(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("0 cat\n1 small dog\n")
    assert read_labels(path) == ("cat", "small dog")
    path.write_text("1 cat\n2 dogs\n")
    assert read_labels(path) == ("1 cat", "2 dogs")


def test_classes_are_counted_and_imbalance_is_said(make_tree: Any, encode: Any) -> None:
    files = {f"cat/{number}.png": encode((number, 0, 0)) for number in range(60)}
    files |= {f"dog/{number}.png": encode((number, 9, 0)) for number in range(10)}
    counts = class_counts(load(resolve(str(make_tree(files)))))
    assert counts_text(counts) == "cat 12, dog 2"
    assert "unbalanced: 12 test images of cat, 2 of dog" in imbalance(counts)
    assert imbalance({"cat": 5, "dog": 4}) == ""


def test_only_one_class_an_image_is_counted() -> None:
    for labels in (np.zeros((4, 2), np.uint8), np.zeros((4, 1), np.float32), np.zeros(4)):
        split = Split(np.zeros((4, 2, 2, 3), np.uint8), labels, "")
        assert class_counts(Dataset("a", ("cat", "dog"), *[split] * 4), "train") == {}
