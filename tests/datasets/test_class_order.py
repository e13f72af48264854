"""The order of the outputs, said by --labels."""

from pathlib import Path

import numpy as np
import pytest

from edgecv.core.data import Dataset, Split
from edgecv.core.errors import InputError
from edgecv.datasets.class_order import in_order_of, read_labels

pytestmark = pytest.mark.quick

NAMES = ("ant", "bee", "cat")


def dataset(labels: list[int], names: tuple[str, ...] = NAMES) -> Dataset:
    images = np.zeros((len(labels), 2, 2, 1), np.uint8)
    split = Split(images, np.array(labels), "0" * 64)
    return Dataset("insects", names, split, split, split, split)


def test_labels_follow_the_order_of_the_outputs() -> None:
    data = dataset([0, 1, 2])
    moved = in_order_of(data, 3, ("cat", "ant", "bee"))
    assert moved.class_names == ("cat", "ant", "bee")
    assert moved.test.labels.tolist() == [1, 2, 0]
    assert moved.test.sha256 != data.test.sha256
    assert in_order_of(data, 3, NAMES) is data


def test_a_model_may_know_more_classes_than_the_data() -> None:
    moved = in_order_of(dataset([0, 1], ("bee", "cat")), 3, NAMES)
    assert moved.test.labels.tolist() == [1, 2]
    assert moved.class_names == NAMES


@pytest.mark.parametrize(
    ("outputs", "labels", "message"),
    [
        (4, NAMES, "names 3 outputs, the model has 4"),
        (4, ("cat", "bee", "cat", "ant"), 'the name "cat" stands there twice'),
        (3, ("ant", "bee", "dog"), 'the class "cat" of insects is not among them'),
    ],
)
def test_names_that_do_not_fit_are_refused(
    outputs: int, labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        in_order_of(dataset([0, 1, 2]), outputs, labels)


def test_a_file_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("ant\nbee \ncat\n\n")
    assert read_labels(path) == NAMES
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        read_labels(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "none.txt")
