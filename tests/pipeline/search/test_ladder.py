"""The recipes of --auto, and limits that nothing could be shown to hold; nothing is run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_report import COMPARISON, REPORT, TWIN

from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.core.events import Event
from edgecv.core.registry import TARGETS
from edgecv.core.report import Gate, Report
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.search import auto
from edgecv.pipeline.search.auto import (
    choice_of,
    compress_auto,
    first_recipe,
    judged,
    without_repeats,
)
from edgecv.pipeline.search.ladder import Attempt, ladder, line_of_attempt, narrower_targets
from edgecv.pipeline.search.limit_checks import check_has_limits, check_limits_can_hold
from edgecv.pipeline.search.space import techniques_of
from edgecv.pipeline.search.trial import steps_of
from edgecv.system.storage import Store, check_seal

pytestmark = pytest.mark.quick


def base(**limits: Any) -> Recipe:
    found = first_recipe(
        CompressOptions(model="m.keras", data="digits", formats="tflite", auto=True)
    )
    return found.replace(gates=Limits(**limits))


def plain(recipe: Recipe, **figures: Any) -> Attempt:
    """Return the attempt of the plain file: 100,000 bytes, twice as fast as the twin."""
    given = {"bytes": 100_000, "gzip_bytes": 90_000, "speedup": 2.0, "median_us": 50.0, **figures}
    sizes = {key: given[key] for key in ("bytes", "gzip_bytes")}
    assert COMPARISON.latency is not None
    file = replace(
        COMPARISON,
        artifact=replace(COMPARISON.artifact, **sizes),
        latency=replace(COMPARISON.latency, median_us=given["median_us"]),
        speedup=given["speedup"],
    )
    twin = replace(TWIN, artifact=replace(TWIN.artifact, precision="float32"))
    return Attempt(recipe, replace(REPORT, comparisons=(twin, file)))


def steps(recipe: Recipe, attempts: list[Attempt]) -> list[str]:
    said: list[str] = []
    found = [steps_of(each) for each in ladder(recipe, {}, attempts, said.append)]
    return [*said, *found]


def test_all_recipes_follow_a_plain_file_that_loses_too_much() -> None:
    recipe = base(max_drop_points=1.0, max_bytes=100_000, min_speedup=2.05)
    found = steps(recipe, [plain(recipe)])
    assert found[:2] == ["int8", "equalize, bias_correction, int8"]
    assert (found[4], found[-1]) == ("mixed", "float16")


def test_only_narrower_networks_follow_a_plain_file_that_is_too_large() -> None:
    recipe = base(max_drop_points=1.0, max_bytes=60_000, max_gzip_bytes=50_000)
    said, first, narrower, *rest = steps(recipe, [plain(recipe)])
    assert said.startswith("int8 exceeds the limit on bytes: only narrower networks are tried")
    assert first == "int8"
    assert narrower == "shrink int8_bytes 50000, distil, qat, int8"
    assert [each.partition(" plain_cnn")[0] for each in rest] == ["student", "student"]


def test_a_line_names_the_limits_that_do_not_hold() -> None:
    recipe = base(max_bytes=60_000)
    attempt = plain(recipe)
    gate = Gate("max_bytes", "int8.tflite", 60_000, 100_000, "failed")
    failed = replace(attempt, report=replace(attempt.report, outcome="failed", gates=(gate,)))
    line = line_of_attempt(failed)
    assert line.startswith("int8: ")
    assert line.endswith(
        "100,000 bytes, 2.00 times faster: does not hold: bytes 100,000, limit 60,000"
    )
    assert line_of_attempt(passed(plain(recipe, speedup=0.1))).endswith(
        "holds, and is not worth it: it gains no more in bytes than it loses in time"
    )


def passed(attempt: Attempt) -> Attempt:
    """Return the attempt with its limits held."""
    return replace(attempt, report=replace(attempt.report, outcome="passed", gates=()))


def test_a_smaller_file_is_worth_it_though_it_is_slower_where_no_time_is_limited() -> None:
    recipe = base(max_drop_points=3.0)
    assert COMPARISON.size_ratio is not None
    assert COMPARISON.size_ratio > 1.5
    assert passed(plain(recipe, speedup=0.8)).is_worth_it
    slow = passed(plain(recipe, speedup=0.1))
    assert slow.holds
    assert not slow.is_worth_it
    said, _, half, narrower, *_ = steps(recipe, [slow])
    assert said == "int8 holds the limits, and is no gain: float16 and narrower networks follow"
    assert half == "float16"
    assert narrower == "shrink keep 0.5, distil, qat, int8"
    chosen, remark = choice_of(recipe, [slow])
    assert chosen is slow
    assert "the first that holds the limits there, though it gains no more in bytes" in remark


def test_biases_are_corrected_alone_where_channels_cannot_be_balanced() -> None:
    recipe = base(max_drop_points=1.0)
    attempts = [plain(recipe)]
    tried = []
    for each in ladder(recipe, {}, attempts):
        tried.append(steps_of(each))
        if "equalize" not in tried[-1]:
            attempts.append(plain(each))
    assert tried[1:3] == ["equalize, bias_correction, int8", "bias_correction, int8"]


def test_what_is_the_same_in_every_trial_is_said_once() -> None:
    said: list[Event] = []
    listener = without_repeats(said.append)
    for _ in range(2):
        listener(Event("data", "reading the data"))
        listener(Event("search", "trying int8"))
        listener(Event("data", "reading images", 1, 2))
    assert [each.message for each in said] == [
        "reading the data", "trying int8", "reading images", "trying int8", "reading images"
    ]  # fmt: skip


def test_a_network_is_shrunk_to_the_time_that_is_asked_for() -> None:
    recipe = base(min_speedup=4.0, max_latency_us=20.0)
    found = narrower_targets(plain(recipe), recipe)["time"]
    assert found["speedup"] == pytest.approx(4.12)
    assert found["latency_us"] == pytest.approx(19.4, abs=0.1)
    device = TARGETS.parse({"target": "ssh", "host": "ssh://pi@board"}, "test")
    settings = recipe.settings.model_copy(update={"device": device})
    on_device = recipe.replace(settings=settings)
    assert narrower_targets(plain(recipe), on_device) == {"time": {"keep": 0.5}}


def test_a_limit_on_time_where_nothing_is_timed_is_refused() -> None:
    recipe = base(min_speedup=2.0)
    check_limits_can_hold(recipe)
    for name in ("c", "tflm"):
        settings = recipe.settings.model_copy(
            update={"device": TARGETS.parse({"target": name}, "test")}
        )
        with pytest.raises(InputError, match=rf"--min-speedup 2: .* --on {name}.* gives no times"):
            check_limits_can_hold(recipe.replace(settings=settings))
    other = base(max_latency_us=10.0, latency_machine="abc")
    with pytest.raises(InputError, match=r"--max-latency 10: is meant for the machine abc, and th"):
        check_limits_can_hold(other)


def test_a_limit_on_time_is_held_against_a_board_on_a_port() -> None:
    """It was refused: a board's target inherits from that of generated C, which has no clock."""
    recipe = base(min_speedup=2.0)
    board = TARGETS.parse({"target": "serial", "port": "/dev/ttyACM0"}, "test")
    settings = recipe.settings.model_copy(update={"device": board})
    check_limits_can_hold(recipe.replace(settings=settings))


def test_auto_without_a_limit_is_refused() -> None:
    check_has_limits(base())
    check_has_limits(base(max_drop_points="none", max_class_drop_points="none", max_bytes=10))
    check_has_limits(base(max_drop_points="none", min_agreement=0.9))
    none = base(max_drop_points="none", max_class_drop_points="none", min_agreement="none")
    with pytest.raises(InputError, match=r"--max-drop none: leaves no limit"):
        check_has_limits(none)


def test_other_precisions_keep_what_is_said_of_the_files() -> None:
    """--pack off and --calibration-images were those of the int8 file alone."""
    given = CompressOptions(
        model="m.keras", data="digits", formats="tflite", auto=True, pack="off",
        calibration_images=100,
    )  # fmt: skip
    start = first_recipe(given)
    files = {each.exports[0].precision: each.exports[0] for each in ladder(start, {})}
    assert {name: file.model_dump()["pack"] for name, file in files.items()} == {
        "int8": "off", "mixed": "off", "float16": "off"
    }  # fmt: skip
    assert files["mixed"].calibration_images == 100
    asked, said = first_recipe(given.model_copy(update={"io": "uint8"})), list[str]()
    tried = {each.exports[0].precision for each in ladder(asked, {}, say=said.append)}
    assert (tried, said) == (
        {"int8"},
        [f"{name} is left out: its files take no --io uint8" for name in ("mixed", "float16")],
    )
    several = given.model_copy(update={"formats": ("tflite", "onnx"), "pack": None})
    with pytest.raises(InputError, match=r"--format tflite,onnx: recipes are compared by one file"):
        first_recipe(several)


def test_auto_says_why_no_file_could_be_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It trained all recipes, whatever --minutes said, and ended in an IndexError."""
    dead = Gate("runs", "int8.tflite", 0.0, None, "failed", "LiteRT died of SIGSEGV")
    tried: list[str] = []

    def run_once(recipe: Recipe, *given: Any) -> Report:
        tried.append(steps_of(recipe))
        return replace(REPORT, comparisons=(), gates=(dead,))

    monkeypatch.setattr(auto, "_run_once", run_once)
    options = CompressOptions(data="digits", formats="tflite", auto=True, output=str(tmp_path))
    with pytest.raises(RuntimeFailure, match=r"int8\.tflite: LiteRT died of SIGSEGV"):
        compress_auto(options)
    assert (tried[0], tried[-1]) == ("int8", "float16")
    assert not any("qat" in each or "student" in each for each in tried), "nothing is trained"
    tried.clear()
    with pytest.raises(RuntimeFailure):
        compress_auto(options.model_copy(update={"minutes": 1e-9}))
    assert tried == ["int8"]


def test_auto_writes_no_trial_into_a_run(tmp_path: Path) -> None:
    """The run called NAME-trials got files of its own, and its manifest held no more."""
    with Store(tmp_path).writing(tmp_path / "mine-trials") as folder:
        (folder / "report.md").write_text("a run")
    options = CompressOptions(data="digits", auto=True, name="mine", output=str(tmp_path))
    with pytest.raises(InputError, match=r"--name: .* is in mine-trials, a run, which is sealed"):
        compress_auto(options)
    check_seal(tmp_path / "mine-trials")


def test_auto_trains_a_control_for_what_holds_its_limits_without_one() -> None:
    """Half of the time of a recipe that failed went into its control."""
    start = base(max_drop_points=1.0)
    plain_recipe, trained = (
        start.replace(techniques=techniques_of(each, {})) for each in ({}, {"qat": {}})
    )
    asked: list[tuple[str, str]] = []

    def failing(recipe: Recipe) -> Report:
        asked.append((recipe.name, recipe.settings.control))
        return plain(recipe).report

    def passing(recipe: Recipe) -> Report:
        asked.append((recipe.name, recipe.settings.control))
        return replace(plain(recipe).report, gates=(), outcome="passed")

    names = ("a-validation", "a-control")
    for recipe, run, expected in (
        (plain_recipe, passing, [("a-validation", "on")]),
        (trained, failing, [("a-validation", "off")]),
        (trained, passing, [("a-validation", "off"), ("a-control", "on")]),
    ):
        asked.clear()
        judged(start, recipe, names, run)
        assert asked == expected
