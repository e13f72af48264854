"""Training of maps: losses, scores, moved masks, and the layers that a user's model ends in."""

from typing import Any

import numpy as np
import pytest

from edgecv.core.data import Dataset, Outputs, Split
from edgecv.core.errors import InputError
from edgecv.core.plugins import Task
from edgecv.core.targets import IGNORED, together
from edgecv.evaluation.tasks.segmentation import MapHead, Segmentation
from edgecv.evaluation.tasks.segmentation.maps import nearest, resized
from edgecv.models.tf import keras, tensorflow
from edgecv.models.training.augmentation import BatchMove

TASK: Task = Segmentation()
RANDOM = np.random.default_rng(0)
MASKS = RANDOM.integers(0, 3, (6, 8, 8)).astype(np.uint8)
MASKS[:, :2] = IGNORED
RAW = RANDOM.normal(0, 2, (6, 8, 8, 3)).astype(np.float32)


def test_the_loss_knows_nothing_of_ignored_pixels() -> None:
    other = RAW.copy()
    other[:, :2] = RANDOM.normal(0, 9, other[:, :2].shape)
    loss = TASK.loss(MASKS, RAW).numpy()
    assert loss.shape == (6,)
    np.testing.assert_allclose(loss, TASK.loss(MASKS, other).numpy(), rtol=1e-5)
    perfect = 20 * np.eye(3, dtype=np.float32)[np.where(MASKS == IGNORED, 0, MASKS)]
    assert (TASK.loss(MASKS, perfect).numpy() < 1e-3).all()
    assert (loss > 0.5).all()


def test_cross_entropy_is_the_mean_over_known_pixels() -> None:
    known = MASKS[:, 2:]
    powers = np.exp(RAW[:, 2:].astype(np.float64))
    shares = powers / powers.sum(-1, keepdims=True)
    entropy = -np.log(np.take_along_axis(shares, known[..., None].astype(int), -1)).mean((1, 2, 3))
    wanted = np.eye(3)[known]
    hits = (shares * wanted).sum((1, 2))
    dice = (2 * hits + 1) / (shares.sum((1, 2)) + wanted.sum((1, 2)) + 1)
    expected = entropy + 1 - dice.mean(-1)
    np.testing.assert_allclose(TASK.loss(MASKS, RAW).numpy(), expected, rtol=1e-5)


def test_the_score_in_training_is_that_of_the_evaluation() -> None:
    powers = np.exp(RAW)
    outputs = Outputs.one(powers / powers.sum(-1, keepdims=True))
    expected = TASK.score_per_image(outputs, MASKS)
    np.testing.assert_allclose(TASK.training_score(MASKS, RAW).numpy(), expected, rtol=1e-5)


def test_one_logit_a_pixel_is_two_classes_and_small_maps_are_resized() -> None:
    masks = (MASKS > 0).astype(np.uint8)
    pair = np.concatenate([np.zeros_like(RAW[..., :1]), RAW[..., :1]], axis=-1)
    one, two = (TASK.loss(masks, each).numpy() for each in (RAW[..., :1], pair))
    np.testing.assert_allclose(one, two, rtol=1e-6)
    assert TASK.loss(masks.repeat(2, 1).repeat(2, 2), RAW).numpy().shape == (6,)


def test_a_student_learns_from_each_pixel_of_its_teacher() -> None:
    assert TASK.imitation_loss(RAW, RAW, 2.0).numpy() == pytest.approx(np.zeros(6), abs=1e-6)
    assert (TASK.imitation_loss(RAW, RAW[:, ::-1], 2.0).numpy() > 0.1).all()
    whole = TASK.normalized(Outputs.one(RAW), {})[0]
    assert TASK.divergence(whole, Outputs.one(RAW)) == pytest.approx(0, abs=1e-6)


def test_masks_move_with_their_images() -> None:
    offsets = tensorflow.constant([[[0], [3], [1], [2], [4], [2]]] * 2)
    mirrored = tensorflow.constant([[True], [False]] * 3)
    move = BatchMove(offsets, mirrored, 2, (8, 8))
    moved = TASK.moved(tensorflow.constant(MASKS), move).numpy()
    assert moved.dtype == np.uint8
    pixels = move.pixels(tensorflow.constant(MASKS[..., None].repeat(3, -1))).numpy()
    np.testing.assert_array_equal(moved, pixels[..., 0])


def model_of(*layers: Any) -> Any:
    return keras.Sequential([keras.layers.InputLayer((8, 8, 3)), *layers])


def test_a_users_model_gets_what_it_ends_in() -> None:
    convolution = keras.layers.Conv2D
    for maps, kind in ((3, "softmax"), (1, "sigmoid")):
        logits = model_of(convolution(maps, 1, name="map"))
        finished, text = TASK.finished(logits, "m.keras")
        assert text.endswith(f"a {kind} was added after map")
        assert TASK.finished(finished, "m.keras")[0] is finished
        whole = model_of(convolution(maps, 1, activation=kind))
        assert TASK.finished(whole, "m.keras")[0] is whole
        separate = TASK.separated(whole)
        pixels = RANDOM.normal(0, 1, (2, 8, 8, 3)).astype(np.float32)
        np.testing.assert_allclose(separate(pixels), whole(pixels), atol=1e-6)
        raw = TASK.raw_model(separate)(pixels).numpy()
        expected = TASK.normalized(Outputs.one(raw), {})[0].only
        given = TASK.normalized(Outputs.one(whole(pixels).numpy()), {})[0].only
        np.testing.assert_allclose(expected, given, atol=1e-5)
    resized = model_of(
        convolution(3, 1, activation="softmax"),
        keras.layers.UpSampling2D(2, interpolation="bilinear"),
    )
    assert TASK.finished(resized, "m.keras")[0] is resized
    with pytest.raises(InputError, match="each map is a yes or no of its own"):
        TASK.finished(model_of(convolution(3, 1, activation="sigmoid")), "m.keras")


def test_the_head_has_a_map_for_each_class() -> None:
    found = MapHead(5)(kernel_initializer="zeros")
    assert model_of(*found).output_shape == (None, 8, 8, 5)


def test_maps_and_masks_name_the_task() -> None:
    split = Split(np.zeros((6, 8, 8, 3), np.uint8), together({"mask": MASKS}), "0")
    data = Dataset("maps", ("a", "b", "c"), split, split, split, split)
    fits = type(TASK).fits
    assert fits(data, [(8, 8, 3)], "probabilities")
    assert fits(data, [(8, 8)], "numbers")
    assert not fits(data, [(3,)], "probabilities")
    assert not fits(data, [(8, 8, 3), (4,)], "probabilities")
    assert TASK.of_task(data).test.labels.dtype == np.uint8


def test_without_a_softmax_files_give_logits_and_everything_else_is_the_same() -> None:
    task = Segmentation(softmax=False)
    split = Split(np.zeros((6, 8, 8, 3), np.uint8), MASKS, "0")
    data = Dataset("maps", ("a", "b", "c"), split, split, split, split)
    image = keras.layers.Input((8, 8, 3))
    features = keras.layers.Conv2D(4, 3, padding="same")(image)
    own = features
    for layer in task.head(data)():
        own = layer(own)
    model = keras.Model(image, own)
    assert task.raw_model(model) is model
    assert model.layers[-1].name == "logits"
    usual = keras.Model(image, keras.layers.Conv2D(3, 1, activation="softmax")(features))
    cut, text = task.finished(usual, "m.keras")
    assert "left out" in text
    pixels = RANDOM.uniform(0, 9, (6, 8, 8, 3)).astype(np.float32)
    logits, shares = (Outputs.one(each(pixels).numpy()) for each in (cut, usual))
    assert logits.only.min() < 0
    found, _ = task.normalized(logits, {})
    np.testing.assert_allclose(found.only, shares.only, atol=1e-5)
    assert task.finished(cut, "m.keras") == (cut, "the model gives logits")
    assert task.differences(logits, shares)[1] < 1e-5
    task.check_baseline(logits, "m.keras")
    with pytest.raises(InputError, match="not probabilities"):
        TASK.check_baseline(logits, "m.keras")
    larger = MASKS.repeat(2, 1).repeat(2, 2)
    assert task.metric(logits, larger) == TASK.metric(shares, larger), "resized as probabilities"
    places = np.arange(6)
    np.testing.assert_allclose(
        task.confidence(logits, places), TASK.confidence(shares, places), atol=1e-5
    )


def test_maps_are_resized_as_tensorflow_resizes_them() -> None:
    for size in ((16, 16), (11, 13), (4, 4), (8, 8)):
        expected = tensorflow.image.resize(RAW, size, "bilinear").numpy()
        np.testing.assert_allclose(resized(RAW, size), expected, atol=1e-5)
        expected = tensorflow.image.resize(MASKS[..., None], size, "nearest").numpy()[..., 0]
        np.testing.assert_array_equal(nearest(MASKS, size), expected)


def test_keras_counts_the_same() -> None:
    random = np.random.default_rng(5)
    masks = random.integers(0, 3, (7, 9, 11)).astype(np.uint8)
    found = np.where(random.random(masks.shape) < 0.6, masks, random.integers(0, 3, masks.shape))
    masks[:, 0] = IGNORED
    metric = keras.metrics.MeanIoU(3, ignore_class=IGNORED)
    metric.update_state(masks.astype(np.int32), found)
    maps = Outputs.one(0.1 + 0.7 * np.eye(3, dtype=np.float32)[found])
    assert TASK.metric(maps, masks) == pytest.approx(float(metric.result()), abs=1e-6)
