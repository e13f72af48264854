"""Shrink on tiny models: targets are met, rankings find what was planted, refusals come first."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecv.channels.costs import cost_of, cost_of_model
from edgecv.channels.trace import ChannelGraph, trace
from edgecv.contracts import Tuning
from edgecv.errors import InputError
from edgecv.records import Dataset, Split, Trial
from edgecv.registry import TECHNIQUES
from edgecv.schedule import Schedule
from edgecv.softmax import logits_model
from edgecv.tasks.classification import Classification
from edgecv.techniques._narrowing import Candidate, order_of
from edgecv.techniques._ranking import Ranking, scores
from edgecv.techniques._sensitivity import MOST_CUTS, steps_of
from edgecv.techniques._targets import Search, Targets
from edgecv.techniques.shrink import Shrink
from edgecv.tf import load_tensorflow, set_seed, weights_sha256

SHAPE = (12, 12, 3)


def split(images: int, seed: int) -> Split:
    """Make images whose class is where they are bright: top or bottom."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, 2, images)
    pixels = random.integers(0, 100, (images, *SHAPE)).astype(np.uint8)
    for image, label in zip(pixels, labels, strict=True):
        image[6 * label : 6 * label + 6] += 100
    return Split(pixels, labels, str(seed))


CALIBRATION = split(48, 2)


@dataclass
class Bench:
    """What a technique is given, and what it did with it. Bytes and time follow the parameters."""

    base: int = 0
    fits: list[Any] = field(default_factory=list)
    tried: list[tuple[int, str, str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    before: Mapping[str, str] = field(default_factory=dict)
    """What was remembered before a kill."""
    remembered: dict[str, str] = field(default_factory=dict)

    def tuning(self) -> Tuning:
        self.remembered = dict(self.before)
        return Tuning(
            fit=self._fit,
            seed=3,
            task=Classification(),
            calibration=CALIBRATION,
            note=self.notes.append,
            progress=lambda words, done, total: self.done.append(words),
            trial=self._trial,
            remember=self._remember,
        )

    def _fit(
        self, model: Any, schedule: Any, constraint: Any = None, distillation: Any = None
    ) -> None:
        assert constraint is None
        self.fits.append((model.count_params(), schedule, distillation))

    def _trial(self, model: Any, runtime: str, precision: str) -> Trial:
        parameters = model.count_params()
        self.tried.append((parameters, runtime, precision))
        return Trial(parameters + 1000, parameters / 10, self.base / parameters)

    def _remember(self, name: str, make: Callable[[], Any]) -> Any:
        if name not in self.remembered:
            self.remembered[name] = json.dumps(make())
        return json.loads(self.remembered[name])


def small(norms: int = 0) -> Any:
    """Return a chain of conv_1, conv_2, dense_1, each of 16 channels, the first so many normed."""
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer(SHAPE, name="image"),
            layers.Rescaling(1 / 128, offset=-1.0, name="rescale"),
            layers.Conv2D(16, 3, name="conv_1"),
            *([layers.BatchNormalization(name="norm_1")] if norms > 0 else []),
            layers.ReLU(name="relu_1"),
            layers.Conv2D(16, 3, strides=2, name="conv_2"),
            *([layers.BatchNormalization(name="norm_2")] if norms > 1 else []),
            layers.ReLU(name="relu_2"),
            layers.Flatten(name="flatten"),
            layers.Dense(16, activation="relu", name="dense_1"),
            *([layers.BatchNormalization(name="norm_3")] if norms > 2 else []),
            layers.Dense(2, name="logits"),
            layers.Softmax(name="probabilities"),
        ]
    )


@pytest.fixture(scope="module")
def model() -> Any:
    return small()


@pytest.fixture
def bench(model: Any) -> Bench:
    return Bench(base=model.count_params())


def widths_of(model: Any) -> dict[str, int]:
    return {width.name: len(width) for width in trace(model).widths}


@pytest.fixture
def paths(monkeypatch: pytest.MonkeyPatch) -> list[tuple[list[Candidate], int]]:
    """Return the list that the path of every search, and the place found, is written down in."""
    seen: list[tuple[list[Candidate], int]] = []
    really = Search.first_that_holds

    def recorded(search: Search, path: Any) -> int:
        place = really(search, path)
        seen.append((list(path), place))
        return place

    monkeypatch.setattr(Search, "first_that_holds", recorded)
    return seen


Paths = list[tuple[list[Candidate], int]]
OPTIONS: dict[str, Any] = {"multiple": 4, "floor": 0.25, "ranking": "l2"}
RANKED = "ranking channels by l2"


def check_first(paths: Paths, result: Any, holds: Callable[[Any], bool]) -> None:
    """The place that was found is the first that holds; nothing is taken away after that."""
    ((path, place),) = paths
    places = [number for number, each in enumerate(path) if holds(each)]
    assert places
    assert places[0] > 0, "the whole model holds already"
    assert place == places[0]
    left = widths_of(result)
    assert all(left[name] >= kept for name, kept in path[place].kept.items())


def check_widest(model: Any, result: Any, holds: Callable[[Any], bool]) -> None:
    """One step wider anywhere, and the target would be missed."""
    graph, left = trace(model), widths_of(result)
    for name in left:
        wider = {**left, name: left[name] + OPTIONS["multiple"]}
        if wider[name] <= widths_of(model)[name]:
            assert not holds(cost_with(graph, wider)), f"{name} could be wider"


def cost_with(graph: ChannelGraph, kept: Mapping[str, int]) -> Any:
    gone = [width.units[kept[width.name] :] for width in graph.widths]
    return cost_of(graph, graph.without(np.concatenate(gone)))


@pytest.mark.parametrize("options", [{"keep": 0.5}, {"keep": 0.3}, {}], ids=str)
def test_a_fraction_of_the_work_is_kept(
    options: Any, model: Any, bench: Bench, paths: Paths
) -> None:
    wanted = options.get("keep", 0.5) * cost_of_model(model).macs
    result = Shrink(**OPTIONS, **options).apply(model, bench.tuning())
    assert cost_of_model(result).macs <= wanted
    check_first(paths, result, lambda each: each.macs <= wanted)
    check_widest(model, result, lambda each: each.macs <= wanted)
    assert bench.tried == []


def test_no_more_work_than_this(model: Any, bench: Bench, paths: Paths) -> None:
    wanted = int(0.4 * cost_of_model(model).macs)
    result = Shrink(macs=wanted, **OPTIONS).apply(model, bench.tuning())
    assert cost_of_model(result).macs <= wanted
    check_first(paths, result, lambda each: each.macs <= wanted)
    check_widest(model, result, lambda each: each.macs <= wanted)


def test_no_more_parameters_than_this(model: Any, bench: Bench, paths: Paths) -> None:
    wanted = int(0.4 * model.count_params())
    result = Shrink(parameters=wanted, **OPTIONS).apply(model, bench.tuning())
    assert result.count_params() <= wanted
    check_first(paths, result, lambda each: each.parameters <= wanted)
    check_widest(model, result, lambda each: each.parameters <= wanted)


@pytest.mark.parametrize(("keep", "part"), [(0.7, 0.35), (0.3, 0.8), (0.4, 0.4)])
def test_two_targets_together(
    keep: float, part: float, model: Any, bench: Bench, paths: Paths
) -> None:
    macs, parameters = keep * cost_of_model(model).macs, int(part * model.count_params())
    result = Shrink(keep=keep, parameters=parameters, **OPTIONS).apply(model, bench.tuning())
    assert cost_of_model(result).macs <= macs
    assert result.count_params() <= parameters
    check_first(
        paths,
        result,
        lambda each: each.macs <= macs and each.parameters <= parameters,
    )


MEASURED = {"int8_bytes": 0.45, "latency_us": 0.3, "speedup": 0.6}


@pytest.mark.parametrize("target", MEASURED)
def test_what_is_measured_is_met_by_the_first_candidate(
    target: str, model: Any, bench: Bench, paths: Paths
) -> None:
    wanted = MEASURED[target] * bench.base
    value = {
        "int8_bytes": int(wanted) + 1000,
        "latency_us": wanted / 10,
        "speedup": bench.base / wanted,
    }[target]
    options = Shrink(**{target: value}, **OPTIONS, runtime="onnxruntime")
    result = options.apply(model, bench.tuning())
    assert result.count_params() <= wanted
    check_first(paths, result, lambda each: each.parameters <= wanted)
    assert {each[1:] for each in bench.tried} == {("onnxruntime", "int8")}
    assert result.count_params() in [each[0] for each in bench.tried]
    assert any("onnxruntime" in note or "bytes" in note for note in bench.notes)


def test_bytes_are_of_int8_and_latency_is_of_the_precision_asked_for(
    model: Any, bench: Bench
) -> None:
    latency = Shrink(latency_us=0.05 * bench.base, precision="float32", **OPTIONS)
    latency.apply(model, bench.tuning())
    assert {each[1:] for each in bench.tried} == {("litert", "float32")}
    bench.tried.clear()
    size = Shrink(int8_bytes=int(0.5 * bench.base) + 1000, precision="float32", **OPTIONS)
    size.apply(model, bench.tuning())
    assert {each[1:] for each in bench.tried} == {("litert", "int8")}


def test_two_measured_targets_together(model: Any, bench: Bench, paths: Paths) -> None:
    options = {"latency_us": 0.06 * bench.base, "speedup": 2.5}
    result = Shrink(**options, **OPTIONS).apply(model, bench.tuning())
    wanted = min(0.6, 1 / 2.5) * bench.base
    check_first(paths, result, lambda each: each.parameters <= wanted)


def test_a_measured_and_a_counted_target_together(model: Any, bench: Bench, paths: Paths) -> None:
    for keep, part in ((0.8, 0.4), (0.3, 0.9)):
        macs, wanted = keep * cost_of_model(model).macs, part * bench.base
        options = Shrink(keep=keep, int8_bytes=int(wanted) + 1000, **OPTIONS)
        result = options.apply(model, bench.tuning())
        check_first(
            [paths.pop()],
            result,
            lambda each, macs=macs, wanted=wanted: each.macs <= macs and each.parameters <= wanted,
        )


@pytest.mark.parametrize("option", ["int8_bytes", "latency_us", "speedup"])
@pytest.mark.parametrize("length", [1, 2, 5, 16])
def test_every_place_on_the_path_is_found(option: str, length: int) -> None:
    path = [Candidate({"conv": size}, size, size, 0.0) for size in range(length, 0, -1)]
    tried: list[int] = []

    def trial(size: int, runtime: str, precision: str) -> Trial:
        tried.append(size)
        return Trial(size, float(size), 100 / size)

    tuning = replace(Bench().tuning(), trial=trial)
    for place, wanted in enumerate(path):
        size = wanted.kept["conv"]
        asked = {"int8_bytes": size, "latency_us": float(size), "speedup": 100 / size}[option]
        targets = replace(NOTHING_ASKED, **{option: asked})
        search = Search(targets, {}, lambda kept: kept["conv"], tuning)
        tried.clear()
        assert search.first_that_holds(path) == place
        assert len(tried) <= 2 + (length - 1).bit_length()
    with pytest.raises(InputError, match="narrowest model"):
        too_much = {"int8_bytes": 0.5, "latency_us": 0.5, "speedup": 101.0}[option]
        targets = replace(NOTHING_ASKED, **{option: too_much})
        ladder = {"conv": tuple(range(length, 0, -1))}
        tried.clear()
        Search(targets, ladder, lambda kept: kept["conv"], tuning).wanted()
    assert tried == [1]


NOTHING_ASKED = Targets(None, None, None, None, None, "litert", "int8")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 0.001}, r"shrink, multiply-accumulates: \d+ of [\d,]+ are asked for; accepted: "),
        ({"macs": 10}, r"10 of [\d,]+ are asked for; accepted: [\d,]+ and more, at this floor"),
        ({"parameters": 10}, r"shrink, parameters: 10 of [\d,]+ are asked for; accepted: [\d,]+"),
        ({"int8_bytes": 10}, r"narrowest model \([\d,]+ bytes as int8\)"),
        ({"latency_us": 0.1}, r"narrowest model \([\d.]+ us on litert at int8, "),
        ({"speedup": 1e6}, r"narrowest model \(.*, [\d.]+ times faster"),
        ({"keep": 0.9, "parameters": 10}, "shrink, parameters: 10 of"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_target_out_of_reach_is_refused_before_training(
    options: Any, message: str, model: Any, bench: Bench
) -> None:
    with pytest.raises(InputError, match=message):
        Shrink(**OPTIONS, **options).apply(model, bench.tuning())
    assert bench.fits == []
    if not {"int8_bytes", "latency_us", "speedup"} & options.keys():
        with pytest.raises(InputError, match=message):
            Shrink(**OPTIONS, **options).check_model(model)
        assert bench.done == []


def test_what_is_said_to_be_in_reach_is_in_reach(model: Any, bench: Bench) -> None:
    for option in ("macs", "parameters"):
        with pytest.raises(InputError) as caught:
            Shrink(**OPTIONS, **{option: 10}).check_model(model)
        least = int(caught.value.accepted.split()[0].replace(",", ""))
        Shrink(**OPTIONS, **{option: least}).apply(model, bench.tuning())
        with pytest.raises(InputError):
            Shrink(**OPTIONS, **{option: least - 1}).check_model(model)


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
    model, bench = planted(ranking), Bench()
    graph = trace(model)
    found = scores(model, graph, ranking, bench.tuning())
    (width,) = (each for each in graph.widths if each.name == "conv_1")
    places = order_of(width, found) - width.units[0]
    assert sorted(places[: len(PLANTED)]) == PLANTED
    shrink = Shrink(
        ranking=ranking, widths={"conv_1": 11}, exclude=("conv_2", "dense_1"), floor=1.0
    )
    result = shrink.apply(model, bench.tuning())
    kernel, _ = model.get_layer("conv_1").get_weights()
    kept, _ = result.get_layer("conv_1").get_weights()
    np.testing.assert_array_equal(kept, np.delete(kernel, PLANTED, axis=-1))


def test_taylor_is_not_deceived_by_large_weights() -> None:
    model = planted("taylor")
    graph = trace(model)
    found = scores(model, graph, "l2", Bench().tuning())
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
    order = order_of(width, scores(model, graph, "l2", Bench().tuning()))
    assert [list(width.units).index(each) for each in order[:2]] == [5, 2]


def test_a_scale_that_is_not_there_cannot_be_gone_by(model: Any, bench: Bench) -> None:
    shrink = Shrink(**{**OPTIONS, "ranking": "bn_scale"})
    for step in (shrink.check_model, lambda each: shrink.apply(each, bench.tuning())):
        with pytest.raises(InputError, match="after conv_1, conv_2, dense_1; accepted: l1, l2"):
            step(model)
    with pytest.raises(InputError, match="after dense_1;"):
        shrink.check_model(small(norms=2))
    assert bench.fits == []


def test_a_layer_without_a_scale_can_be_excluded(bench: Bench) -> None:
    shrink = Shrink(**{**OPTIONS, "ranking": "bn_scale"}, exclude=("dense_1",))
    model = small(norms=2)
    shrink.check_model(model)
    result = shrink.apply(model, bench.tuning())
    assert widths_of(result)["dense_1"] == 16
    assert widths_of(result)["conv_1"] < 16


def test_excluded_layers_stay_whole_and_given_widths_are_exact(model: Any, bench: Bench) -> None:
    shrink = Shrink(
        exclude=("conv_2",), widths={"dense_*": 5, "*_1": 9}, parameters=4000, **OPTIONS
    )
    result = shrink.apply(model, bench.tuning())
    assert widths_of(result) == {"conv_1": 9, "conv_2": 16, "dense_1": 5}
    assert [layer.name for layer in result.layers] == [layer.name for layer in model.layers]


def test_widths_alone_leave_the_others_whole(model: Any, bench: Bench) -> None:
    result = Shrink(widths={"conv_2": 3}).apply(model, bench.tuning())
    assert widths_of(result) == {"conv_1": 16, "conv_2": 3, "dense_1": 16}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"exclude": ("conv_9",)}, '"conv_9" matches no layer .*accepted: conv_1, conv_2, dense_1'),
        ({"widths": {"logits": 1}}, '"logits" matches no layer whose channels can be removed'),
        ({"exclude": ("*",)}, "every layer is excluded"),
        (
            {"widths": {"conv_1": 17}},
            "conv_1 has 16 channels, 17 are to be kept; accepted: 1 to 16",
        ),
    ],
)
def test_a_pattern_that_does_not_fit_is_refused(
    options: Any, message: str, model: Any, bench: Bench
) -> None:
    shrink = Shrink(**options)
    for step in (shrink.check_model, lambda each: shrink.apply(each, bench.tuning())):
        with pytest.raises(InputError, match=message):
            step(model)
    assert (bench.fits, bench.done) == ([], [])


def test_a_model_in_which_all_is_held_is_refused(bench: Bench) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    held = keras.Sequential(
        [layers.InputLayer(SHAPE), layers.Flatten(), layers.Dense(2), layers.Softmax()]
    )
    with pytest.raises(InputError, match="no channels of this model can be removed"):
        Shrink().apply(held, bench.tuning())


def test_a_given_width_counts_channels_where_groups_are_tied(bench: Bench) -> None:
    """Four groups of four: a unit is one channel of each group, and 8 are asked for."""
    _, keras = load_tensorflow()
    layers = keras.layers
    grouped = keras.Sequential(
        [
            layers.InputLayer(SHAPE),
            layers.Conv2D(16, 3, name="conv_1"),
            layers.Conv2D(16, 3, groups=4, name="grouped"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
            layers.Softmax(),
        ]
    )
    result = Shrink(widths={"grouped": 8}).apply(grouped, bench.tuning())
    assert result.get_layer("grouped").filters == 8
    assert result.get_layer("conv_1").filters == 16


def test_one_group_can_be_all_that_is_left(bench: Bench) -> None:
    """A convolution of one group ties nothing: its widths have other names after."""
    _, keras = load_tensorflow()
    layers = keras.layers
    grouped = keras.Sequential(
        [
            layers.InputLayer(SHAPE),
            layers.Conv2D(4, 3, name="conv_1"),
            layers.Conv2D(8, 3, groups=4, name="grouped"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
            layers.Softmax(),
        ]
    )
    result = Shrink(widths={"conv_1": 1}).apply(grouped, bench.tuning())
    assert result.get_layer("conv_1").filters == 1
    assert result.get_layer("grouped").filters == 2
    assert len(bench.fits) == 1


@given(st.integers(1, 300), st.floats(0, 1), st.integers(1, 64))
def test_steps_respect_floor_and_multiple(channels: int, part: float, multiple: int) -> None:
    least = max(1, round(part * channels))
    steps = steps_of(channels, least, multiple)
    assert steps[0] == channels
    assert list(steps) == sorted(set(steps), reverse=True)
    assert len(steps) <= MOST_CUTS + 1
    assert all(step % multiple == 0 and step >= least for step in steps[1:])
    possible = [step for step in range(least, channels) if step % multiple == 0]
    assert steps[-1] == min(possible, default=channels), "less could be kept"
    if len(possible) <= MOST_CUTS:
        assert sorted(steps[1:]) == possible


@pytest.mark.parametrize(("floor", "multiple"), [(0.5, 1), (0.3, 4), (0.125, 8)])
def test_the_result_respects_floor_and_multiple(
    floor: float, multiple: int, model: Any, bench: Bench
) -> None:
    shrink = Shrink(floor=floor, multiple=multiple, parameters=1)
    with pytest.raises(InputError) as caught:
        shrink.check_model(model)
    least = int(caught.value.accepted.split()[0].replace(",", ""))
    result = shrink.model_copy(update={"parameters": least}).apply(model, bench.tuning())
    for kept in widths_of(result).values():
        assert kept == multiple * ceil(16 * floor / multiple)


def test_three_rounds_reach_the_target_by_three_trainings(model: Any, bench: Bench) -> None:
    schedule = Schedule(epochs=3, minimum_steps=0)
    result = Shrink(keep=0.3, rounds=3, training=schedule, **OPTIONS).apply(model, bench.tuning())
    assert cost_of_model(result).macs <= 0.3 * cost_of_model(model).macs
    assert [each[1:] for each in bench.fits] == [(schedule, None)] * 3
    parameters = [bench.base, *(each[0] for each in bench.fits)]
    assert parameters == sorted(set(parameters), reverse=True), "a round removed nothing"
    assert bench.done.count(RANKED) == 3
    assert set(bench.remembered) == {"round-1", "round-2", "round-3"}


def test_rounds_of_a_measured_target(model: Any, bench: Bench) -> None:
    shrink = Shrink(int8_bytes=int(0.4 * bench.base) + 1000, rounds=2, **OPTIONS)
    result = shrink.apply(model, bench.tuning())
    assert result.count_params() <= 0.4 * bench.base < bench.fits[0][0]
    assert len(bench.fits) == 2


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_floor_is_of_the_channels_before_the_first_round(rounds: int, bench: Bench) -> None:
    """What changes nothing is cut first: to its floor, and no further in the next round."""
    model = with_dead("left")
    keep = 0.6
    shrink = Shrink(keep=keep, floor=0.5, multiple=1, rounds=rounds)
    result = shrink.apply(model, bench.tuning())
    assert cost_of_model(result).macs <= keep * cost_of_model(model).macs
    assert min(widths_of(result).values()) >= 8


def test_without_fine_tuning_nothing_is_trained(model: Any, bench: Bench) -> None:
    result = Shrink(keep=0.5, fine_tune=False, **OPTIONS).apply(model, bench.tuning())
    assert bench.fits == []
    assert cost_of_model(result).macs <= 0.5 * cost_of_model(model).macs
    # What is kept is what was there.
    kept, _ = result.get_layer("conv_1").get_weights()
    whole, _ = model.get_layer("conv_1").get_weights()
    columns = {each.tobytes() for each in np.moveaxis(whole, -1, 0)}
    assert {each.tobytes() for each in np.moveaxis(kept, -1, 0)} <= columns


@pytest.mark.parametrize("extra", [{"rounds": 2}, {"distil": {}}], ids=str)
def test_what_no_training_would_ignore_is_refused(extra: Any) -> None:
    with pytest.raises(InputError, match="trains nothing: leave rounds and distil out"):
        TECHNIQUES.parse({"technique": "shrink", "fine_tune": False, **extra}, "test")


def test_distillation_is_handed_to_the_training(model: Any, bench: Bench) -> None:
    shrink = TECHNIQUES.parse({"technique": "shrink", "distil": {"temperature": 2.0}}, "test")
    shrink.apply(model, bench.tuning())
    ((_, _, distillation),) = bench.fits
    assert distillation.temperature == 2.0


def test_a_resumed_run_does_not_rank_again(model: Any, bench: Bench) -> None:
    shrink = Shrink(int8_bytes=int(0.5 * bench.base) + 1000, rounds=2, **OPTIONS)
    first = shrink.apply(model, bench.tuning())
    assert bench.done
    assert bench.tried
    resumed = Bench(base=bench.base, before=bench.remembered)
    second = shrink.apply(model, resumed.tuning())
    assert (resumed.done, resumed.tried) == ([], [])
    assert weights_sha256(second) == weights_sha256(first)
    assert resumed.notes == bench.notes
    assert len(resumed.fits) == 2


def test_a_run_that_was_killed_after_a_round_does_the_rest(model: Any, bench: Bench) -> None:
    shrink = Shrink(keep=0.3, rounds=2, **OPTIONS)
    whole = shrink.apply(model, bench.tuning())
    half = {"round-1": bench.remembered["round-1"]}
    resumed = Bench(base=bench.base, before=half)
    assert weights_sha256(shrink.apply(model, resumed.tuning())) == weights_sha256(whole)
    assert resumed.done.count(RANKED) == 1


@pytest.mark.parametrize("ranking", ["l2", "taylor"])
def test_the_callers_model_is_left_alone(ranking: Any, model: Any, bench: Bench) -> None:
    before, config = weights_sha256(model), json.dumps(model.get_config(), default=str)
    images = CALIBRATION.images[:4].astype(np.float32)
    said = model(images).numpy()
    result = Shrink(int8_bytes=4000, **{**OPTIONS, "ranking": ranking}).apply(model, bench.tuning())
    result.set_weights([np.ones_like(each) for each in result.get_weights()])
    assert weights_sha256(model) == before
    assert json.dumps(model.get_config(), default=str) == config
    np.testing.assert_array_equal(model(images).numpy(), said)


def with_dead(side: str) -> Any:
    """Return two branches of one size, of which one has no effect on the output."""
    set_seed(0)
    _, keras = load_tensorflow()
    layers = keras.layers
    image = layers.Input(SHAPE)
    scaled = layers.Rescaling(1 / 128, offset=-1.0)(image)
    made = [layers.Conv2D(16, 3, activation="relu", name=name)(scaled) for name in SIDES]
    x = layers.Conv2D(16, 3, strides=2, activation="relu", name="after")(layers.Concatenate()(made))
    x = layers.Dense(2, name="logits")(layers.Flatten()(x))
    model = keras.Model(image, layers.Softmax()(x))
    kernel, bias = model.get_layer("after").get_weights()
    kernel[:, :, 16 * SIDES.index(side) :][:, :, :16] = 0
    model.get_layer("after").set_weights([kernel, bias])
    return model


SIDES = ("left", "right")


@pytest.mark.parametrize("side", SIDES)
def test_a_width_whose_cut_changes_nothing_is_cut_first(
    side: str, bench: Bench, paths: Paths
) -> None:
    model = with_dead(side)
    shrink = Shrink(keep=0.8, floor=0.25, multiple=2, ranking="l2")
    result = shrink.apply(model, bench.tuning())
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


def test_candidates_only_get_smaller_and_say_what_they_cost(
    model: Any, bench: Bench, paths: Paths
) -> None:
    Shrink(keep=0.5, parameters=5000, **OPTIONS).apply(model, bench.tuning())
    ((path, _),) = paths
    graph = trace(model)
    assert path[0].kept == {"conv_1": 16, "conv_2": 16, "dense_1": 16}
    assert path[-1].kept == {"conv_1": 4, "conv_2": 4, "dense_1": 4}
    for before, after in pairwise(path):
        changed = [name for name in after.kept if after.kept[name] != before.kept[name]]
        assert len(changed) == 1
        assert after.kept[changed[0]] < before.kept[changed[0]]
    for each in path:
        cost = cost_with(graph, each.kept)
        assert (each.macs, each.parameters) == (cost.macs, cost.parameters)


def test_a_narrower_model_learns(tmp_path: Any) -> None:
    """From end to end, with a real training."""
    from edgecv.training import fit

    data = Dataset(
        "bars", ("top", "bottom"), split(160, 1), CALIBRATION, split(40, 3), split(40, 4)
    )
    quick = Schedule(epochs=4, minimum_steps=0, batch=16, learning_rate=0.01, shift=0, mirror=False)

    def tune(tuned: Any, schedule: Any, constraint: Any = None, distillation: Any = None) -> None:
        fit(
            tuned,
            data,
            Classification(),
            schedule,
            seed=3,
            checkpoint=tmp_path / "epoch.npz",
            on_event=lambda event: None,
            constraint=constraint,
        )

    tuning = replace(Bench().tuning(), fit=tune)
    result = Shrink(keep=0.2, training=quick, **OPTIONS).apply(small(norms=2), tuning)
    predictions = result(data.test.images.astype(np.float32)).numpy()
    assert Classification().metric(predictions, data.test.labels) > 0.9


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
    found = scores(model, graph, "l1", Bench().tuning())[width.units]
    assert (np.diff(found) < 0).all()
