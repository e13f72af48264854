"""Two classes from one output, the metrics of classes, class weights and label smoothing."""

import numpy as np
import pytest

from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.errors import InputError
from edgecv.evaluation.tasks.classification import Classification
from edgecv.evaluation.tasks.classification.figures import (
    balanced_accuracy,
    macro_f1,
    top_five,
)

TASK = Classification()
SECOND = Outputs.one(np.array([[0.1], [0.8], [0.4], [0.9]], np.float32))
LABELS = np.array([0, 1, 1, 1])
SPLIT = Split(np.zeros((4, 8, 8, 1), np.uint8), LABELS, "0" * 64)


def test_one_output_is_the_probability_of_the_second_class() -> None:
    both = np.concatenate([1 - SECOND.only, SECOND.only], axis=1)
    for outputs in (SECOND, Outputs.one(both)):
        assert TASK.score_per_image(outputs, LABELS).tolist() == [1, 1, 0, 1]
        assert TASK.answer_bytes(outputs) == TASK.answer_bytes(SECOND)
        assert TASK.confidence(outputs, np.array([0, 3])) == pytest.approx([0.9, 0.9])
        assert TASK.differences(outputs, SECOND) == (0.0, 0.0)
        assert TASK.divergence(outputs, SECOND) == pytest.approx(0, abs=1e-6)
        TASK.check_baseline(outputs, "m.keras")
    normalized, (note,) = TASK.normalized(SECOND, {})
    assert np.allclose(normalized.only, both)
    assert "second class" in note
    assert TASK.activation(SECOND) is None


def test_one_logit_gets_a_sigmoid() -> None:
    logits = Outputs.one(np.array([[-3.0], [2.0]], np.float32))
    normalized, (note,) = TASK.normalized(logits, {})
    assert normalized.only[1, 1] == pytest.approx(1 / (1 + np.exp(-2)))
    assert "sigmoid" in note
    assert TASK.activation(logits) == "Sigmoid"
    assert TASK.activation(Outputs.one(np.array([[-3.0, 2.0]], np.float32))) == "Softmax"


def test_the_note_names_the_classes() -> None:
    data = Dataset("two", ("cat", "dog"), SPLIT, SPLIT, SPLIT, SPLIT)
    assert TASK.count_outputs(data) == (2, 1)
    fitted = TASK.fit_data(data, 1, None, "m.keras")
    assert fitted.class_names == ("cat", "dog")
    assert fitted.notes == ("the one output is the probability of dog; the other class is cat",)
    turned = TASK.fit_data(data, 1, ("dog", "cat"), "m.keras")
    assert turned.test.labels.tolist() == [1, 0, 0, 0]
    three = Dataset("three", ("a", "b", "c"), SPLIT, SPLIT, SPLIT, SPLIT)
    with pytest.raises(InputError, match=r"gives 1 number .* has 3 classes"):
        TASK.fit_data(three, 1, None, "m.keras")
    with pytest.raises(InputError, match=r"2 numbers .* 3 classes.*; give the data that the model"):
        TASK.fit_data(three, 2, None, "m.keras")
    with pytest.raises(InputError, match=r"4 numbers .* 3 classes.*; --labels FILE names each"):
        TASK.fit_data(three, 4, None, "m.keras")


def test_the_loss_of_one_logit_is_that_of_two() -> None:
    import tensorflow

    raw = np.array([[-1.5], [0.5], [2.0], [0.3]], np.float32)
    two = np.concatenate([np.zeros_like(raw), raw], axis=1)
    targets = TASK.targets(LABELS)
    binary = tensorflow.keras.losses.binary_crossentropy(
        LABELS[:, None].astype("f4"), raw, from_logits=True
    )
    assert np.allclose(TASK.loss(targets, raw), binary, atol=1e-6)
    for of in (TASK.loss, TASK.training_score):
        assert np.allclose(of(targets, raw), of(targets, two))
    far = TASK.imitation_loss(raw, raw[::-1].copy(), 3.0)
    assert np.allclose(far, TASK.imitation_loss(two, two[::-1].copy(), 3.0))


def test_weights_and_smoothing_change_the_loss_of_training_alone() -> None:
    raw = np.array([[2.0, 0.0], [0.0, 1.0], [1.0, 0.0], [0.0, 3.0]], np.float32)
    plain = np.asarray(TASK.loss(TASK.targets(LABELS), raw))
    weighted = Classification(class_weights=(1.0, 3.0))
    targets = weighted.targets(LABELS)
    assert np.allclose(weighted.loss(targets, raw), plain * [1, 3, 3, 3])
    assert np.allclose(weighted.training_score(targets, raw), [1, 1, 0, 1])
    balanced = Classification(class_weights="balanced")
    assert balanced.targets(LABELS)[:, 1] == pytest.approx([2, 2 / 3, 2 / 3, 2 / 3])
    smooth = Classification(label_smoothing=0.2)
    wrong = np.asarray(TASK.loss(TASK.targets(1 - LABELS), raw))
    found = smooth.loss(smooth.targets(LABELS), raw)
    assert np.allclose(found, 0.9 * plain + 0.1 * wrong, atol=1e-6)


def test_weights_that_do_not_fit_are_refused() -> None:
    data = Dataset("two", ("cat", "dog"), SPLIT, SPLIT, SPLIT, SPLIT)
    with pytest.raises(InputError, match="holds 3 numbers, and two has 2 classes"):
        Classification(class_weights=(1.0, 2.0, 3.0)).of_task(data)
    by_name = Classification(class_weights={"dog": 3.0})
    assert by_name.for_data(data).class_weights == (1.0, 3.0)
    with pytest.raises(InputError, match=r'there is no class "dgo"; .*did you mean "dog"'):
        Classification(class_weights={"dgo": 3.0}).of_task(data)


def test_figures_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import balanced_accuracy_score, f1_score, top_k_accuracy_score

    random = np.random.default_rng(0)
    values, labels = random.random((200, 8)), random.integers(0, 8, 200)
    answers = values.argmax(axis=1)
    assert balanced_accuracy(values, labels) == pytest.approx(
        balanced_accuracy_score(labels, answers)
    )
    assert macro_f1(values, labels) == pytest.approx(f1_score(labels, answers, average="macro"))
    assert top_five(values, labels) == pytest.approx(top_k_accuracy_score(labels, values, k=5))
    assert np.isnan(top_five(values[:, :5], labels % 5))
