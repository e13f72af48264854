"""Another order of the outputs is noticed where it fits the labels better."""

import numpy as np
import pytest

from edgecv.core.errors import InputError
from edgecv.evaluation.tasks.classification.output_order import better_order, check_order

pytestmark = pytest.mark.quick


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
