"""Which output stands for which class: said by --labels, and noticed where it is wrong."""

from pathlib import Path

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.core.records import Dataset, Split
from edgecv.datasets.class_order import better_order, check_order, in_order_of, read_labels

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
        (3, ("ant", "bee", "dog"), 'the class "cat" of insects is not among them'),
    ],
)
def test_names_that_do_not_fit_are_refused(
    outputs: int, labels: tuple[str, ...], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        in_order_of(dataset([0, 1, 2]), outputs, labels)


def answers(labels: np.ndarray, order: list[int], accuracy: float) -> np.ndarray:
    random = np.random.default_rng(0)
    known = np.array(order)[labels]
    guess = random.integers(0, len(order), len(labels))
    chosen = np.where(random.random(len(labels)) < accuracy, known, guess)
    return np.eye(len(order), dtype=np.float32)[chosen]


def test_another_order_is_found_where_the_model_has_one() -> None:
    names = tuple("abcdefghij")
    labels = np.random.default_rng(1).integers(0, 10, 2000)
    swapped = [1, 0, *range(2, 10)]
    found = better_order(answers(labels, swapped, 0.8), labels, names)
    assert found is not None
    assert found[0] == tuple("bacdefghij")
    with pytest.raises(InputError, match=r"outputs stood for b, a, c.*--labels FILE"):
        check_order(answers(labels, swapped, 0.9), labels, names, "model.keras")


@pytest.mark.parametrize("accuracy", [0.2, 0.35])
def test_a_poor_model_whose_other_order_is_poor_too_is_a_note_and_no_stop(accuracy: float) -> None:
    """Hardly trained, it has favourites among the classes: another order is no better a model."""
    names = tuple("abcdefghij")
    labels = np.random.default_rng(1).integers(0, 10, 2000)
    moved = [*range(1, 10), 0]
    predictions = answers(labels, moved, accuracy)
    assert better_order(predictions, labels, names) is not None
    note = check_order(predictions, labels, names, "model.keras")
    assert note is not None
    assert "and would be on" in note
    assert "outputs stood for" in note
    assert "--labels" in note


@pytest.mark.parametrize("accuracy", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize("images", [40, 200, 2000])
def test_no_other_order_is_found_by_chance(accuracy: float, images: int) -> None:
    labels = np.random.default_rng(2).integers(0, 10, images)
    predictions = answers(labels, list(range(10)), accuracy)
    assert check_order(predictions, labels, tuple("abcdefghij"), "model.keras") is None


def test_a_file_of_labels(tmp_path: Path) -> None:
    path = tmp_path / "labels.txt"
    path.write_text("ant\nbee \ncat\n\n")
    assert read_labels(path) == NAMES
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not text"):
        read_labels(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_labels(tmp_path / "none.txt")
