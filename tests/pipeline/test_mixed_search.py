"""The choice of a precision for each layer: what is tried, what decides, and what is stored."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.report import Report
from edgecv.evaluation.limits import Limits
from edgecv.pipeline.mixed import check_mixed
from edgecv.pipeline.mixed.limits import limits_of_choice
from edgecv.pipeline.mixed.search import LayerSearch
from edgecv.pipeline.mixed.trial_runner import MixedTrial
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.run import run
from edgecv.system.environment import environment
from edgecv.system.storage import Store

WEIGHTS = {"conv_1": 100, "conv_2": 1000, "dense_1": 4000, "logits": 100}
DAMAGE = {"conv_1": 6.0, "conv_2": 1.0, "dense_1": 3.0, "logits": 0.2}
"""Error of int8 that goes if a layer is float; that of 4 bits is ten times as large."""


class Network:
    """TrialRunner of a network whose errors add up: a unit of error is a tenth of a point."""

    def __init__(self, most_points: float | None, most_bytes: int = 100_000) -> None:
        self.most_points, self.most_bytes = most_points, most_bytes
        self.tried: list[dict[str, str]] = []

    def run(self, layers: dict[str, str]) -> MixedTrial:
        self.tried.append(dict(layers))
        error = 10.0
        size = sum(WEIGHTS.values())
        for name, precision in layers.items():
            error += {"float32": -1, "int4": 10}[precision] * DAMAGE[name]
            size += {"float32": 3.0, "int4": -0.5}[precision] * WEIGHTS[name]
        lost = error / 10
        is_broken = self.most_points is not None and lost > self.most_points
        return MixedTrial(
            layers=layers,
            weights=WEIGHTS,
            dense=["dense_1", "logits"],
            bytes=int(size),
            error=error,
            lost_points=lost,
            worst_points=lost,
            broken=["max_drop_points_bound"] if is_broken else [],
            over=["max_bytes"] if size > self.most_bytes else [],
            speedup=None,
        )


def chosen(network: Network) -> tuple[dict[str, str], str]:
    choices, is_limited = ("float32", "int8", "int4"), network.most_points is not None
    choice = LayerSearch(network, choices, is_limited=is_limited).choice()
    return choice.layers, "; ".join([*choice.notes, choice.missed])


def test_the_worst_layers_become_float_until_the_limit_holds() -> None:
    layers, notes = chosen(Network(0.2))
    assert layers == {"conv_1": "float32", "dense_1": "float32"}
    assert "conv_1 float32, conv_2 int8, dense_1 float32, logits int8" in notes
    assert "conv_1 60%, dense_1 30%, conv_2 10%, logits 2%" in notes
    assert "nearest" not in notes
    assert chosen(Network(0.5))[0] == {"conv_1": "float32"}


def test_dense_layers_have_4_bits_while_the_limit_holds() -> None:
    assert chosen(Network(1.0))[0] == {}
    assert chosen(Network(1.3))[0] == {"logits": "int4"}
    layers, _ = chosen(Network(9.0))
    assert layers == {"logits": "int4", "dense_1": "int4"}


def test_a_limit_on_size_leaves_out_what_is_too_large() -> None:
    # conv_1 and dense_1 would do, but 12,000 bytes more are too many.
    layers, notes = chosen(Network(0.2, 8600))
    assert layers == {"conv_1": "float32", "conv_2": "float32"}
    assert "keeps the limit on points lost at the worse end" in notes
    assert "this is the nearest" in notes
    # Without a limit on answers: small enough first, then as near as that allows.
    layers, _ = chosen(Network(None, 4000))
    assert layers == {"dense_1": "int4", "conv_1": "float32", "logits": "float32"}


def test_of_trials_that_are_as_near_the_smallest_is_taken() -> None:
    class Few(Network):
        """Of a few images: no precision changes an answer."""

        def run(self, layers: dict[str, str]) -> MixedTrial:
            return super().run(layers).model_copy(update={"worst_points": 8.4})

    choices = ("float32", "int8")
    choice = LayerSearch(Few(-1.0), choices, is_limited=True).choice()
    assert choice.layers == {}
    assert choice.missed.endswith("int8 for all layers is the nearest")


def test_the_limit_of_a_run_is_held_at_the_worse_end() -> None:
    limits = limits_of_choice(Limits(max_drop_points=0.3), has_labels=True)
    assert (limits.max_drop_points, limits.drop_on) == (0.3, "bound")
    assert limits_of_choice(Limits(), has_labels=False).max_drop_points is None


def options(name: str, **given: Any) -> CompressOptions:
    return CompressOptions(
        data="digits", epochs=3, name=name, quantize="mixed", formats="tflite", **given
    )


def test_a_run_chooses_resumes_and_says_so(
    main_report: Report, output: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(output / "baselines", tmp_path / "baselines")
    store, events = Store(tmp_path), list[Event]()
    recipe = options("mixed", max_drop=3.0).to_recipe()

    class Stopped(Exception):
        """A kill in the middle of the search."""

    def stop(event: Event) -> None:
        events.append(event)
        if len([each for each in events if each.message.startswith("trying")]) == 3:
            raise Stopped

    with pytest.raises(Stopped):
        run(recipe, store, on_event=stop)
    before = [each.message for each in events if each.message.startswith("trying")]
    events.clear()
    report = run(recipe, store, on_event=events.append)
    after = [each.message for each in events if each.message.startswith("trying")]
    assert not set(before[:2]) & set(after), "stored trials are not made again"
    (candidate,) = [each for each in report.comparisons if not each.is_twin]
    types = {each.name: each.type for each in candidate.artifact.layers}
    (note,) = [each for each in report.notes if "precisions of its layers" in each]
    assert all(f"{name} {kind}" in note for name, kind in types.items())
    events.clear()
    again = run(recipe, store, force=True, on_event=events.append)
    assert not [each for each in events if each.message.startswith("trying")]
    assert [each for each in again.notes if each == note]
    same = [each.artifact.sha256 for each in again.comparisons if not each.is_twin]
    assert same == [candidate.artifact.sha256]
    # Trials are run in LiteRT: another one may answer otherwise.
    other = {**environment(), "ai-edge-litert": "another"}
    events.clear()
    with monkeypatch.context() as changed, pytest.raises(Stopped):
        changed.setattr("edgecv.pipeline.mixed.environment", lambda: other)
        run(recipe, store, force=True, on_event=stop)
    # Other limits may choose other layers: such a run is not judged again from what is stored.
    with pytest.raises(InputError, match="exists already"):
        run(options("mixed", max_drop=1.0).to_recipe(), store)
    table = json.loads((tmp_path / "mixed" / "report.json").read_text())
    assert table["recipe"]["export"][0]["precision"] == "mixed"


def test_nothing_to_choose_by_is_refused(main_report: Report, output: Path) -> None:
    recipe = options("refused", max_drop="none").to_recipe()
    with pytest.raises(
        InputError, match="nothing limits answers, size or time; give --max-drop, --max-size or"
    ):
        run(recipe, Store(output))
    with pytest.raises(
        InputError,
        match=r"--max-drop 2: cannot be shown on 135 validation images.*; accepted: 2\.77",
    ):
        run(options("refused", max_drop=2).to_recipe(), Store(output))
    named = recipe.replace(exports=tuple(each.with_layers({}) for each in recipe.exports))
    check_mixed(named, None)  # type: ignore[arg-type]
