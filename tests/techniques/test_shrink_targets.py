"""What shrink is asked for is met, and by the widest that meets it."""

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from shrinking import OPTIONS, MeasurementPool, Paths, cost_with, widths_of

from edgecv.core.costs import TrialExport
from edgecv.core.errors import InputError
from edgecv.models.channels.costs import cost_of_model
from edgecv.models.channels.trace import trace
from edgecv.techniques.channel_pruning.allocation import Candidate
from edgecv.techniques.channel_pruning.measurements import Measurements
from edgecv.techniques.channel_pruning.targets import Search, Targets
from edgecv.techniques.shrink import Shrink


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


@pytest.mark.parametrize("options", [{"keep": 0.5}, {"keep": 0.3}, {}], ids=str)
def test_a_fraction_of_the_work_is_kept(
    options: Any, model: Any, bench: MeasurementPool, paths: Paths
) -> None:
    wanted = options.get("keep", 0.5) * cost_of_model(model).macs
    result = Shrink(**OPTIONS, **options).apply(model, bench.context())
    assert cost_of_model(result).macs <= wanted
    check_first(paths, result, lambda each: each.macs <= wanted)
    check_widest(model, result, lambda each: each.macs <= wanted)
    assert bench.tried == []


def test_no_more_work_than_this(model: Any, bench: MeasurementPool, paths: Paths) -> None:
    wanted = int(0.4 * cost_of_model(model).macs)
    result = Shrink(macs=wanted, **OPTIONS).apply(model, bench.context())
    assert cost_of_model(result).macs <= wanted
    check_first(paths, result, lambda each: each.macs <= wanted)
    check_widest(model, result, lambda each: each.macs <= wanted)


def test_no_more_parameters_than_this(model: Any, bench: MeasurementPool, paths: Paths) -> None:
    wanted = int(0.4 * model.count_params())
    result = Shrink(parameters=wanted, **OPTIONS).apply(model, bench.context())
    assert result.count_params() <= wanted
    check_first(paths, result, lambda each: each.parameters <= wanted)
    check_widest(model, result, lambda each: each.parameters <= wanted)


@pytest.mark.parametrize(("keep", "part"), [(0.7, 0.35), (0.3, 0.8), (0.4, 0.4)])
def test_two_targets_together(
    keep: float, part: float, model: Any, bench: MeasurementPool, paths: Paths
) -> None:
    macs, parameters = keep * cost_of_model(model).macs, int(part * model.count_params())
    result = Shrink(keep=keep, parameters=parameters, **OPTIONS).apply(model, bench.context())
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
    target: str, model: Any, bench: MeasurementPool, paths: Paths
) -> None:
    wanted = MEASURED[target] * bench.base
    value = {
        "int8_bytes": int(wanted) + 1000,
        "latency_us": wanted / 10,
        "speedup": bench.base / wanted,
    }[target]
    options = Shrink(**{target: value}, **OPTIONS, runtime="onnxruntime")
    result = options.apply(model, bench.context())
    assert result.count_params() <= wanted
    check_first(paths, result, lambda each: each.parameters <= wanted)
    assert {each[1:] for each in bench.tried} == {("onnxruntime", "int8")}
    assert result.count_params() in [each[0] for each in bench.tried]
    assert any("onnxruntime" in note or "bytes" in note for note in bench.notes)


def test_bytes_are_of_int8_and_latency_is_of_the_precision_asked_for(
    model: Any, bench: MeasurementPool
) -> None:
    latency = Shrink(latency_us=0.05 * bench.base, precision="float32", **OPTIONS)
    latency.apply(model, bench.context())
    assert {each[1:] for each in bench.tried} == {("litert", "float32")}
    bench.tried.clear()
    size = Shrink(int8_bytes=int(0.5 * bench.base) + 1000, precision="float32", **OPTIONS)
    size.apply(model, bench.context())
    assert {each[1:] for each in bench.tried} == {("litert", "int8")}


def test_two_measured_targets_together(model: Any, bench: MeasurementPool, paths: Paths) -> None:
    options = {"latency_us": 0.06 * bench.base, "speedup": 2.5}
    result = Shrink(**options, **OPTIONS).apply(model, bench.context())
    wanted = min(0.6, 1 / 2.5) * bench.base
    check_first(paths, result, lambda each: each.parameters <= wanted)


def test_a_measured_and_a_counted_target_together(
    model: Any, bench: MeasurementPool, paths: Paths
) -> None:
    for keep, part in ((0.8, 0.4), (0.3, 0.9)):
        macs, wanted = keep * cost_of_model(model).macs, part * bench.base
        options = Shrink(keep=keep, int8_bytes=int(wanted) + 1000, **OPTIONS)
        result = options.apply(model, bench.context())
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

    def trial(size: int, runtime: str, precision: str) -> TrialExport:
        tried.append(size)
        return TrialExport(size, float(size), 100 / size)

    def measurements() -> Measurements:
        context = replace(MeasurementPool().context(), trial=trial)
        return Measurements(lambda kept: kept["conv"], context, "litert", {}, "trial")

    for place, wanted in enumerate(path):
        size = wanted.kept["conv"]
        asked = {"int8_bytes": size, "latency_us": float(size), "speedup": 100 / size}[option]
        targets = replace(NOTHING_ASKED, **{option: asked})
        search = Search(targets, {}, measurements())
        tried.clear()
        assert search.first_that_holds(path) == place
        assert len(tried) <= 2 + (length - 1).bit_length()
    with pytest.raises(InputError, match="narrowest model"):
        too_much = {"int8_bytes": 0.5, "latency_us": 0.5, "speedup": 101.0}[option]
        targets = replace(NOTHING_ASKED, **{option: too_much})
        width_steps = {"conv": tuple(range(length, 0, -1))}
        tried.clear()
        Search(targets, width_steps, measurements()).wanted()
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
        ({"arena_bytes": 10}, r"bytes of memory while conv_1 runs, [\d,]+ too many\)"),
        ({"keep": 0.9, "parameters": 10}, "shrink, parameters: 10 of"),
    ],
    ids=lambda each: next(iter(each)) if isinstance(each, dict) else "",
)
def test_a_target_out_of_reach_is_refused_before_training(
    options: Any, message: str, model: Any, bench: MeasurementPool
) -> None:
    with pytest.raises(InputError, match=message):
        Shrink(**OPTIONS, **options).apply(model, bench.context())
    assert bench.fits == []
    if not {"int8_bytes", "arena_bytes", "latency_us", "speedup"} & options.keys():
        with pytest.raises(InputError, match=message):
            Shrink(**OPTIONS, **options).check_model(model)
        assert bench.done == []


def test_memory_is_held_and_what_fits_is_left_alone(
    model: Any, bench: MeasurementPool, paths: Paths
) -> None:
    wanted = int(0.5 * bench.base)
    result = Shrink(arena_bytes=wanted, **OPTIONS).apply(model, bench.context())
    assert result.count_params() <= wanted
    check_first(paths, result, lambda each: each.parameters <= wanted)
    assert len(bench.fits) == 1
    whole = Shrink(arena_bytes=int(bench.base), **OPTIONS).apply(model, bench.context())
    assert whole.count_params() == bench.base
    assert len(bench.fits) == 1, "nothing was removed, nothing is trained"


def test_layers_that_memory_does_not_depend_on_stay_whole(
    model: Any, bench: MeasurementPool
) -> None:
    def trial(narrower: Any, runtime: str, precision: str) -> TrialExport:
        channels = narrower.get_layer("conv_1").filters
        return TrialExport(1000, 1.0, 1.0, arena_bytes=100 * channels, peak="conv_1")

    context = replace(bench.context(), trial=trial)
    result = Shrink(arena_bytes=900, **OPTIONS).apply(model, context)
    assert widths_of(result) == {"conv_1": 8, "conv_2": 16, "dense_1": 16}


def test_memory_is_of_a_tflite_file() -> None:
    with pytest.raises(ValueError, match=r"of a \.tflite file"):
        Shrink(arena_bytes=1000, runtime="onnxruntime")


def test_what_is_said_to_be_in_reach_is_in_reach(model: Any, bench: MeasurementPool) -> None:
    for option in ("macs", "parameters"):
        with pytest.raises(InputError) as caught:
            Shrink(**OPTIONS, **{option: 10}).check_model(model)
        least = int(caught.value.accepted.split()[0].replace(",", ""))
        Shrink(**OPTIONS, **{option: least}).apply(model, bench.context())
        with pytest.raises(InputError):
            Shrink(**OPTIONS, **{option: least - 1}).check_model(model)


def test_candidates_only_get_smaller_and_say_what_they_cost(
    model: Any, bench: MeasurementPool, paths: Paths
) -> None:
    Shrink(keep=0.5, parameters=5000, **OPTIONS).apply(model, bench.context())
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
