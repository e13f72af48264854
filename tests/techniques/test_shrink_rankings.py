"""Rankings find what was planted: channels that matter least go first."""

from typing import Any

import numpy as np
import pytest
from shrinking import (
    CALIBRATION,
    OPTIONS,
    SHAPE,
    SIDES,
    MeasurementPool,
    Paths,
    small,
    widths_of,
    with_dead,
)

from edgecv.core.errors import InputError
from edgecv.models.channels.trace import trace
from edgecv.models.softmax import logits_model
from edgecv.models.tf import load_tensorflow, set_seed
from edgecv.techniques.channel_pruning.allocation import order_of
from edgecv.techniques.channel_pruning.ranking import Ranking, scores
from edgecv.techniques.shrink import Shrink

PLANTED = [1, 4, 6, 11, 12]


def planted(ranking: Ranking) -> Any:
    """Return a model in which conv_1 has channels that this ranking must find."""
    made = small(norms=3)
    random = np.random.default_rng(5)
    conv, norm = made.get_layer("conv_1"), made.get_layer("norm_1")
    kernel, bias = conv.get_weights()
    gamma, *rest = norm.get_weights()
    gamma = random.uniform(0.8, 1.2, gamma.shape)
    others = [each for each in range(16) if each not in PLANTED]
    if ranking in ("l1", "l2"):
        kernel[..., PLANTED] *= 1e-2
    elif ranking == "bn_scale":
        gamma[PLANTED] *= -1e-2
    elif ranking == "geometric_median":
        kernel[..., PLANTED] = kernel[..., others].mean(axis=-1, keepdims=True)
    else:
        following = made.get_layer("conv_2")
        weights, its_bias = following.get_weights()
        weights[:, :, PLANTED] = 0
        following.set_weights([weights, its_bias])
        # By their own weights they are the largest.
        kernel[..., PLANTED] *= 3
        gamma[PLANTED] *= 3
    conv.set_weights([kernel, bias])
    norm.set_weights([gamma, *rest])
    return made


RANKINGS: tuple[Ranking, ...] = ("l1", "l2", "bn_scale", "taylor", "geometric_median")


@pytest.mark.parametrize("ranking", RANKINGS)
def test_a_ranking_puts_planted_channels_first(ranking: Ranking) -> None:
    model, bench = planted(ranking), MeasurementPool()
    graph = trace(model)
    found = scores(model, graph, ranking, bench.context())
    (width,) = (each for each in graph.widths if each.name == "conv_1")
    places = order_of(width, found) - width.units[0]
    assert sorted(places[: len(PLANTED)]) == PLANTED
    shrink = Shrink(
        ranking=ranking, widths={"conv_1": 11}, exclude=("conv_2", "dense_1"), floor=1.0
    )
    result = shrink.apply(model, bench.context())
    kernel, _ = model.get_layer("conv_1").get_weights()
    kept, _ = result.get_layer("conv_1").get_weights()
    np.testing.assert_array_equal(kept, np.delete(kernel, PLANTED, axis=-1))


def test_taylor_is_not_deceived_by_large_weights() -> None:
    model = planted("taylor")
    graph = trace(model)
    found = scores(model, graph, "l2", MeasurementPool().context())
    (width,) = (each for each in graph.widths if each.name == "conv_1")
    assert sorted(order_of(width, found)[-len(PLANTED) :] - width.units[0]) == PLANTED


def test_channels_of_little_weight_are_found_in_what_is_tied() -> None:
    """Two layers that an addition ties vote with one voice each, however large their weights."""
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input(SHAPE)
    x = layers.Conv2D(8, 3, padding="same", name="large")(image)
    y = layers.Conv2D(8, 3, padding="same", name="tiny")(image)
    x = layers.GlobalAveragePooling2D()(layers.Add()([x, y]))
    model = keras.Model(image, layers.Softmax()(layers.Dense(2)(x)))
    large, tiny = np.full((3, 3, 3, 8), 1.0), np.full((3, 3, 3, 8), 1e-4)
    large[..., 2] = 0.9
    tiny[..., 5] = 0.5e-4
    for name, kernel in (("large", large), ("tiny", tiny)):
        model.get_layer(name).set_weights([kernel, np.zeros(8)])
    graph = trace(model)
    (width,) = graph.widths
    order = order_of(width, scores(model, graph, "l2", MeasurementPool().context()))
    assert [list(width.units).index(each) for each in order[:2]] == [5, 2]


def test_a_scale_that_is_not_there_cannot_be_gone_by(model: Any, bench: MeasurementPool) -> None:
    shrink = Shrink(**{**OPTIONS, "ranking": "bn_scale"})
    for step in (shrink.check_model, lambda each: shrink.apply(each, bench.context())):
        with pytest.raises(InputError, match="after conv_1, conv_2, dense_1; accepted: l1, l2"):
            step(model)
    with pytest.raises(InputError, match="after dense_1;"):
        shrink.check_model(small(norms=2))
    assert bench.fits == []


def test_a_layer_without_a_scale_can_be_excluded(bench: MeasurementPool) -> None:
    shrink = Shrink(**{**OPTIONS, "ranking": "bn_scale"}, exclude=("dense_1",))
    model = small(norms=2)
    shrink.check_model(model)
    result = shrink.apply(model, bench.context())
    assert widths_of(result)["dense_1"] == 16
    assert widths_of(result)["conv_1"] < 16


@pytest.mark.parametrize("side", SIDES)
def test_a_width_whose_cut_changes_nothing_is_cut_first(
    side: str, bench: MeasurementPool, paths: Paths
) -> None:
    model = with_dead(side)
    shrink = Shrink(keep=0.8, floor=0.25, multiple=2, ranking="l2")
    result = shrink.apply(model, bench.context())
    ((path, _),) = paths
    cuts = [each.kept[side] for each in path].index(4)
    assert cuts >= 5
    for candidate in path[1 : cuts + 1]:
        assert [name for name, kept in candidate.kept.items() if kept < 16] == [side]
    assert widths_of(result)[side] < 16
    assert {kept for name, kept in widths_of(result).items() if name != side} == {16}
    images = CALIBRATION.images[:8].astype(np.float32)
    np.testing.assert_allclose(
        logits_model(result)(images).numpy(), logits_model(model)(images).numpy(), atol=1e-4
    )


def test_a_normalization_is_folded_into_the_weights_that_are_ranked() -> None:
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    model = keras.Sequential(
        [
            layers.InputLayer((8, 8, 3)),
            layers.Conv2D(8, 3, use_bias=False, name="conv_1"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(),
            layers.Dense(2, name="logits"),
            layers.Softmax(),
        ]
    )
    kernel, norm = model.get_layer("conv_1").kernel, model.get_layer("norm")
    kernel.assign(np.ones(kernel.shape) * np.arange(1, 9))
    norm.gamma.assign(1.0 / np.arange(1, 9) ** 2)  # The largest weights are made the smallest.
    graph = trace(model)
    (width,) = graph.widths
    found = scores(model, graph, "l1", MeasurementPool().context())[width.units]
    assert (np.diff(found) < 0).all()
