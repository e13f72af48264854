"""A run that is there already: whose it is, by which limits, and what becomes of it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from small_report import COMPARISON, REPORT

from edgecv.core.errors import InputError
from edgecv.core.report import Gate, Report
from edgecv.datasets.digits import Digits
from edgecv.evaluation.limits import Limits
from edgecv.formats.model_file import model_sha256
from edgecv.pipeline.judge_again import (
    can_be_judged_again,
    check_same_model,
    is_judged_by,
    is_run_of,
)
from edgecv.pipeline.load_data import data_facts
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import Recipe, parse_recipe
from edgecv.pipeline.recipe_table import run_all
from edgecv.pipeline.search import auto
from edgecv.pipeline.search.engines import trial_server
from edgecv.pipeline.search.engines.ray.engine import _stored_report
from edgecv.pipeline.search.engines.trial_server import TrialServer
from edgecv.pipeline.search.named_files import hashes_of
from edgecv.reports.json_file import write_report
from edgecv.system.storage import Store, tree_sha256

pytestmark = pytest.mark.quick

PROOF = Gate("proof", "baseline.keras", 0.1, 0.9, "passed")


def a_recipe(**options: Any) -> Recipe:
    given = {"data": "digits", "formats": ("tflite",), "epochs": 1, "name": "own", **options}
    return CompressOptions(**given).to_recipe()


def report_of(recipe: Recipe, **found: Any) -> Report:
    """Return the report of a run, with what a run finds by itself."""
    table = {"task": {"task": "classification"}, **recipe.table(), **found}
    table["baseline"] = {"preprocess": "0..1", **table["baseline"]}
    assert REPORT.baseline is not None
    model = recipe.baseline.model
    sha256 = "" if model is None else tree_sha256(Path(model))
    baseline = replace(REPORT.baseline, sha256=sha256)
    gates = (*REPORT.gates, PROOF)
    return replace(
        REPORT,
        name=recipe.name,
        recipe=table,
        baseline=baseline,
        gates=gates,
        given=recipe.given,
    )


def stored(report: Report, store: Store) -> Path:
    place = store.run_folder(report.name)
    with store.writing(place) as folder:
        write_report(report, folder / "report.json")
    return place


def test_what_a_run_finds_by_itself_makes_no_other_recipe(tmp_path: Path) -> None:
    """The table and --auto took a run of a MODEL for one of another recipe."""
    (tmp_path / "m.keras").write_bytes(b"a model")
    recipe = a_recipe(model=str(tmp_path / "m.keras"), epochs=None, quantize="float16")
    report = report_of(recipe)
    assert is_run_of(report, recipe)
    assert is_judged_by(report, recipe)
    remark = recipe.settings.model_copy(update={"remark": "another"})
    assert is_judged_by(report, recipe.replace(settings=remark, gates=Limits()))
    other = recipe.replace(gates=Limits(max_bytes=10))
    assert is_run_of(report, other)
    assert not is_judged_by(report, other)
    assert can_be_judged_again(report, other)
    int8 = a_recipe(model=str(tmp_path / "m.keras"), epochs=None)
    assert not is_run_of(report, int8)
    assert not can_be_judged_again(report, int8)


@pytest.mark.parametrize(
    "given", [{"preprocess": "caffe"}, {"task": ("outputs",)}], ids=["preprocess", "task"]
)
def test_what_was_asked_for_was_not_found(tmp_path: Path, given: dict[str, Any]) -> None:
    """A run of wrong pixels was taken for that of the command without --preprocess."""
    model = str(tmp_path / "m.keras")
    (tmp_path / "m.keras").write_bytes(b"a model")
    plain = a_recipe(model=model, epochs=None)
    asked = a_recipe(model=model, epochs=None, **given)
    assert is_run_of(report_of(asked), asked)
    assert not is_run_of(report_of(asked), plain)
    assert not is_run_of(replace(report_of(plain), given=None), plain), "an earlier version's"
    found = parse_recipe(dict(report_of(plain).recipe), "its recipe.toml")
    assert is_run_of(report_of(plain), found)


def test_of_several_tasks_those_that_were_asked_for_were_not_found(tmp_path: Path) -> None:
    (tmp_path / "m.keras").write_bytes(b"a model")
    one: dict[str, Any] = {"task": "classification", "output": "a"}
    two: dict[str, Any] = {"task": "classification", "output": "b"}
    table = a_recipe(model=str(tmp_path / "m.keras"), epochs=None).table()
    first, both = (parse_recipe({**table, "task": each}, "own") for each in ([one], [one, two]))
    report = replace(report_of(both), given=first.given)
    assert is_run_of(report, first)
    assert is_run_of(report, both)
    assert not is_run_of(report_of(both), first)


def test_weights_beside_a_file_are_of_the_model(tmp_path: Path) -> None:
    """An exporter writes the same file of other weights: their run was judged again."""
    model, weights = tmp_path / "m.onnx", tmp_path / "m.onnx.data"
    model.write_bytes(b"a graph whose location is m.onnx.data")
    weights.write_bytes(b"weights")
    (tmp_path / "notes.txt").write_bytes(b"notes")
    before = model_sha256(model)
    assert before != tree_sha256(model)
    recipe = a_recipe(model=str(model), epochs=None, formats=("onnx",))
    assert hashes_of(recipe) == {str(model): before}
    (tmp_path / "notes.txt").write_bytes(b"other notes")
    assert model_sha256(model) == before
    report = report_of(recipe)
    assert report.baseline is not None
    report = replace(report, baseline=replace(report.baseline, sha256=before))
    check_same_model(report, recipe, tmp_path)
    weights.write_bytes(b"others!")
    with pytest.raises(InputError, match=r"m\.onnx is not what it was made of any more"):
        check_same_model(report, recipe, tmp_path)


def test_a_run_without_a_measured_file_is_not_judged_again() -> None:
    """``edgecv compress`` with another limit ended in an IndexError."""
    recipe = a_recipe()
    assert not can_be_judged_again(replace(report_of(recipe), comparisons=()), recipe)


def test_a_table_finds_the_run_of_a_model_again_and_no_other_model(tmp_path: Path) -> None:
    model, path = tmp_path / "m.keras", tmp_path / "own.toml"
    model.write_bytes(b"a model")
    path.write_text(
        f'name = "own"\n[data]\nsource = "digits"\n[baseline]\nmodel = "{model}"\n'
        '[[export]]\nformat = "tflite"\nprecision = "float16"\n'
    )
    store = Store(tmp_path / "out")
    report = report_of(CompressOptions(recipe=str(path)).to_recipe())
    stored(report, store)
    assert run_all([path], None, store) == [report]
    model.write_bytes(b"another model")
    with pytest.raises(InputError, match=r"m\.keras is not what it was made of any more; move it"):
        run_all([path], None, store)


def test_auto_takes_a_trial_that_is_there_while_model_and_data_are_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each trial of a MODEL was exported and measured again."""
    model = tmp_path / "m.keras"
    model.write_bytes(b"a model")
    recipe = a_recipe(model=str(model), epochs=None)
    data = Digits().load(COMPARISON.input.shape[1:], 0, lambda done, total: None)
    report = replace(report_of(recipe), data=data_facts(data, recipe.task))
    stored(report, Store(tmp_path))
    monkeypatch.setattr(auto, "compress", lambda *given, **options: "run anew")

    def found() -> Any:
        return auto._run_once(recipe, Store(tmp_path), print, None, print)

    assert found() == report
    model.write_bytes(b"another model")
    assert found() == "run anew"


MIXED = {"quantize": "mixed", "max_drop": 6}
DEVICE: dict[str, Any] = {"max_latency_us": 50.0, "latency_machine": "board"}


@pytest.mark.parametrize(
    ("recipe", "gates", "machine", "asked"),
    [
        pytest.param(a_recipe(), {}, "", [], id="the same limits"),
        pytest.param(a_recipe(), {"max_drop_points": 5.0}, "", ["judge"], id="limits left out"),
        pytest.param(a_recipe(**MIXED), {}, "", [("run", True)], id="layers by limits"),
        pytest.param(a_recipe().replace(gates=Limits(max_latency_us=50)), DEVICE, "board", [],
                     id="the times of a device"),
        pytest.param(a_recipe(), {"name": "other", "seed": 3}, "", [("run", True)],
                     id="another recipe"),
        pytest.param(a_recipe(), None, "", [("run", False)], id="no run"),
    ],
)  # fmt: skip
def test_a_trial_whose_run_is_there_is_kept_or_judged_or_made_anew(
    recipe: Recipe,
    gates: dict[str, Any] | None,
    machine: str,
    asked: list[Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was refused as "exists already", and the search kept it as failed."""
    recipe = parse_recipe(recipe.table(), "own")
    called: list[Any] = []

    def noted(kind: str) -> Callable[..., None]:
        def note(*given: Any, force: bool = False) -> None:
            called.append(kind if kind == "judge" else (kind, force))

        return note

    monkeypatch.setattr(trial_server, "judge_stored", noted("judge"))
    monkeypatch.setattr(trial_server, "compress", noted("run"))
    monkeypatch.setattr(trial_server, "check_seal", lambda place: None)
    store = Store(tmp_path, "s")
    if gates is not None:
        found = {"seed": 3} if "seed" in gates else {"gates": gates}
        report = report_of(recipe, **found)
        files = tuple(replace(each, machine=machine) for each in report.comparisons)
        place = stored(replace(report, comparisons=files), store)
        assert (_stored_report(place, recipe) is None) == (asked == [("run", True)])
    server: Any = SimpleNamespace(heartbeat=lambda: None)
    TrialServer(server).run(recipe.table(), str(tmp_path), "s", False)
    assert called == asked
