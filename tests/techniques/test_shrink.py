"""Shrink on a tiny model: widths, floors, rounds, what a kill leaves, and what is refused."""

import json
import re
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shrinking import (
    CALIBRATION,
    OPTIONS,
    RANKED,
    SHAPE,
    MeasurementPool,
    small,
    split,
    widths_of,
    with_dead,
)
from weights import weights_sha256

from edgecv.core.data import Dataset, Outputs
from edgecv.core.errors import InputError
from edgecv.core.registry import TECHNIQUES
from edgecv.evaluation.tasks.classification import Classification
from edgecv.models.channels.costs import cost_of_model
from edgecv.models.tf import load_tensorflow
from edgecv.models.training.schedule import Schedule
from edgecv.techniques.channel_pruning.width_steps import MOST_CUTS, steps_of
from edgecv.techniques.shrink import Shrink


def test_excluded_layers_stay_whole_and_given_widths_are_exact(
    model: Any, bench: MeasurementPool
) -> None:
    shrink = Shrink(
        exclude=("conv_2",), widths={"dense_*": 5, "*_1": 9}, parameters=4000, **OPTIONS
    )
    result = shrink.apply(model, bench.context())
    assert widths_of(result) == {"conv_1": 9, "conv_2": 16, "dense_1": 5}
    assert [layer.name for layer in result.layers] == [layer.name for layer in model.layers]


def test_widths_alone_leave_the_others_whole(model: Any, bench: MeasurementPool) -> None:
    result = Shrink(widths={"conv_2": 3}).apply(model, bench.context())
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
    options: Any, message: str, model: Any, bench: MeasurementPool
) -> None:
    shrink = Shrink(**options)
    for step in (shrink.check_model, lambda each: shrink.apply(each, bench.context())):
        with pytest.raises(InputError, match=message):
            step(model)
    assert (bench.fits, bench.done) == ([], [])


def test_a_model_in_which_all_is_held_is_refused(bench: MeasurementPool) -> None:
    _, keras = load_tensorflow()
    layers = keras.layers
    held = keras.Sequential(
        [layers.InputLayer(SHAPE), layers.Flatten(), layers.Dense(2), layers.Softmax()]
    )
    with pytest.raises(InputError, match="no channels of this model can be removed"):
        Shrink().apply(held, bench.context())


def grouped(first: int, second: int) -> Any:
    """Make a model of two convolutions, the second in four groups."""
    _, keras = load_tensorflow()
    layers = keras.layers
    return keras.Sequential(
        [
            layers.InputLayer(SHAPE),
            layers.Conv2D(first, 3, name="conv_1"),
            layers.Conv2D(second, 3, groups=4, name="grouped"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
            layers.Softmax(),
        ]
    )


def test_a_given_width_counts_channels_where_groups_are_tied(bench: MeasurementPool) -> None:
    """Four groups of four: a unit is one channel of each group, and 8 are asked for."""
    result = Shrink(widths={"grouped": 8}).apply(grouped(16, 16), bench.context())
    assert result.get_layer("grouped").filters == 8
    assert result.get_layer("conv_1").filters == 16


def test_one_group_can_be_all_that_is_left(bench: MeasurementPool) -> None:
    """A convolution of one group ties nothing: its widths have other names after."""
    result = Shrink(widths={"conv_1": 1}).apply(grouped(4, 8), bench.context())
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
    floor: float, multiple: int, model: Any, bench: MeasurementPool
) -> None:
    shrink = Shrink(floor=floor, multiple=multiple, parameters=1)
    with pytest.raises(InputError) as caught:
        shrink.check_model(model)
    least = int(caught.value.accepted.split()[0].replace(",", ""))
    result = shrink.model_copy(update={"parameters": least}).apply(model, bench.context())
    for kept in widths_of(result).values():
        assert kept == multiple * ceil(16 * floor / multiple)


def test_three_rounds_reach_the_target_by_three_trainings(
    model: Any, bench: MeasurementPool
) -> None:
    schedule = Schedule(epochs=3, minimum_steps=0)
    result = Shrink(keep=0.3, rounds=3, training=schedule, **OPTIONS).apply(model, bench.context())
    assert cost_of_model(result).macs <= 0.3 * cost_of_model(model).macs
    assert [each[1:] for each in bench.fits] == [(schedule, None)] * 3
    parameters = [bench.base, *(each[0] for each in bench.fits)]
    assert parameters == sorted(set(parameters), reverse=True), "a round removed nothing"
    assert bench.done.count(RANKED) == 3
    rounds = {"round-1", "round-2", "round-3"}
    assert set(bench.remembered) == rounds | {f"{each}-damage" for each in rounds}


def test_rounds_of_a_measured_target(model: Any, bench: MeasurementPool) -> None:
    shrink = Shrink(int8_bytes=int(0.4 * bench.base) + 1000, rounds=2, **OPTIONS)
    result = shrink.apply(model, bench.context())
    assert result.count_params() <= 0.4 * bench.base < bench.fits[0][0]
    assert len(bench.fits) == 2


@pytest.mark.parametrize("rounds", [1, 3])
def test_the_floor_is_of_the_channels_before_the_first_round(
    rounds: int, bench: MeasurementPool
) -> None:
    """What changes nothing is cut first: to its floor, and no further in the next round."""
    model = with_dead("left")
    keep = 0.6
    shrink = Shrink(keep=keep, floor=0.5, multiple=1, rounds=rounds)
    result = shrink.apply(model, bench.context())
    assert cost_of_model(result).macs <= keep * cost_of_model(model).macs
    assert min(widths_of(result).values()) >= 8


def test_without_fine_tuning_nothing_is_trained(model: Any, bench: MeasurementPool) -> None:
    result = Shrink(keep=0.5, fine_tune=False, **OPTIONS).apply(model, bench.context())
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


def test_distillation_is_handed_to_the_training(model: Any, bench: MeasurementPool) -> None:
    shrink = TECHNIQUES.parse({"technique": "shrink", "distil": {"temperature": 2.0}}, "test")
    shrink.apply(model, bench.context())
    ((_, _, distillation),) = bench.fits
    assert distillation.temperature == 2.0


def test_a_resumed_run_does_not_rank_again(model: Any, bench: MeasurementPool) -> None:
    shrink = Shrink(int8_bytes=int(0.5 * bench.base) + 1000, rounds=2, **OPTIONS)
    first = shrink.apply(model, bench.context())
    assert bench.done
    assert bench.tried
    resumed = MeasurementPool(base=bench.base, before=bench.remembered)
    second = shrink.apply(model, resumed.context())
    assert (resumed.done, resumed.tried) == ([], [])
    assert weights_sha256(second) == weights_sha256(first)
    assert resumed.notes == bench.notes
    assert len(resumed.fits) == 2


def test_a_run_that_was_killed_after_a_round_does_the_rest(
    model: Any, bench: MeasurementPool
) -> None:
    shrink = Shrink(keep=0.3, rounds=2, **OPTIONS)
    whole = shrink.apply(model, bench.context())
    half = {"round-1": bench.remembered["round-1"]}
    resumed = MeasurementPool(base=bench.base, before=half)
    assert weights_sha256(shrink.apply(model, resumed.context())) == weights_sha256(whole)
    assert resumed.done.count(RANKED) == 1


def test_timings_of_a_killed_run_are_not_taken_again(model: Any, bench: MeasurementPool) -> None:
    shrink = Shrink(speedup=1.6, **OPTIONS)
    whole = shrink.apply(model, bench.context())
    killed = {key: value for key, value in bench.remembered.items() if key != "round-1"}
    assert len(killed) > 5
    resumed = MeasurementPool(base=bench.base, before=killed)
    assert weights_sha256(shrink.apply(model, resumed.context())) == weights_sha256(whole)
    assert resumed.tried == bench.tried[:1], "the narrowest alone is timed again"
    assert resumed.notes[1:] == bench.notes[1:]


def test_timings_say_before_they_begin_how_many_they_are(
    model: Any, bench: MeasurementPool
) -> None:
    Shrink(speedup=1.6, **OPTIONS).apply(model, bench.context())
    estimate = next(each for each in bench.done if "candidates" in each)
    found = re.fullmatch(
        r"exporting and timing (\d+) candidates at most, about \d+ seconds", estimate
    )
    assert found
    assert len(bench.tried) - 1 <= int(found[1])


def test_nothing_is_timed_for_a_target_of_bytes(model: Any, bench: MeasurementPool) -> None:
    """ "timing 13 candidates" stood above a target of bytes alone, and each of them was timed."""
    Shrink(int8_bytes=4000, **OPTIONS).apply(model, bench.context())
    assert not any("timing" in each for each in bench.done)
    (estimate,) = {each for each in bench.done if "candidates" in each}
    assert re.fullmatch(r"exporting \d+ candidates at most, about \d+ seconds", estimate)


@pytest.mark.parametrize("ranking", ["l2", "taylor"])
def test_the_callers_model_is_left_alone(ranking: Any, model: Any, bench: MeasurementPool) -> None:
    before, config = weights_sha256(model), json.dumps(model.get_config(), default=str)
    images = CALIBRATION.images[:4].astype(np.float32)
    said = model(images).numpy()
    result = Shrink(int8_bytes=4000, **{**OPTIONS, "ranking": ranking}).apply(
        model, bench.context()
    )
    result.set_weights([np.ones_like(each) for each in result.get_weights()])
    assert weights_sha256(model) == before
    assert json.dumps(model.get_config(), default=str) == config
    np.testing.assert_array_equal(model(images).numpy(), said)


def test_a_narrower_model_learns(tmp_path: Any) -> None:
    """From end to end, with a real training."""
    from edgecv.models.training.loop import fit

    data = Dataset(
        "bars", ("top", "bottom"), split(160, 1), CALIBRATION, split(40, 3), split(40, 4)
    )
    quick = Schedule(epochs=4, minimum_steps=0, batch=16, learning_rate=0.01, shift=0, mirror=False)

    def tune(tuned: Any, schedule: Any, constraint: Any = None, distillation: Any = None) -> None:
        act = partial(fit, tuned, data, Classification(), schedule, constraint=constraint)
        act(seed=3, checkpoint=tmp_path / "epoch.npz", on_event=lambda event: None)

    context = replace(MeasurementPool().context(), fit=tune)
    result = Shrink(keep=0.2, training=quick, **OPTIONS).apply(small(norms=2), context)
    predictions = result(data.test.images.astype(np.float32)).numpy()
    assert Classification().metric(Outputs.one(predictions), data.test.labels) > 0.9
