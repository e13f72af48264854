"""The branches of a training are folded into one convolution each."""

import numpy as np
import pytest

from edgecv.models.architectures.plain_cnn import PlainCnn
from edgecv.models.tf import keras, set_seed


def head(**options: object) -> list[object]:
    return [keras.layers.Dense(3, name="logits"), keras.layers.Softmax()]


@pytest.mark.parametrize("side", [16, 17, 19])
@pytest.mark.parametrize("strides", [(2, 1, 3), (1, 2, 2)])
@pytest.mark.parametrize("residual", [False, True])
def test_the_folded_network_is_the_same_function(
    side: int, strides: tuple[int, ...], residual: bool
) -> None:
    set_seed(0)
    network = PlainCnn(filters=(4, 4, 6), strides=strides, residual=residual, branches=True)
    trained = network.build((side, side, 3), head)
    random = np.random.default_rng(0)
    for layer in trained.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([random.uniform(0.5, 2, each.shape) for each in layer.get_weights()])
    folded = network.folded(trained, head)
    plain = PlainCnn(filters=(4, 4, 6), strides=strides, residual=residual)
    normalized = plain.build((side, side, 3), head)
    convolutions = [each.name for each in normalized.layers if "Conv" in type(each).__name__]
    assert [each.name for each in folded.layers if "Conv" in type(each).__name__] == convolutions
    images = random.uniform(0, 255, (4, side, side, 3)).astype(np.float32)
    before, after = (model.predict_on_batch(images) for model in (trained, folded))
    assert np.abs(before - after).max() < 1e-4
    assert np.ptp(before) > 0.01, "else any two networks would be equal"


def test_without_branches_nothing_is_folded() -> None:
    network = PlainCnn()
    model = network.build((16, 16, 3), head)
    assert network.folded(model, head) is model


def test_a_stride_is_needed_for_each_convolution() -> None:
    with pytest.raises(ValueError, match="strides for all 2 convolutions of filters"):
        PlainCnn(filters=(8, 8), strides=(1,))
