"""The control of a run that retrains: trained, stored, shared, shown, and what it decides."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bars import bars, tiny
from marks import recipe
from PIL import Image

from edgecv.acceptance.gate import gate_run
from edgecv.acceptance.lock_file import lock_text, read_lock
from edgecv.acceptance.make_lock import control_sha256
from edgecv.acceptance.options import GateOptions
from edgecv.analysis.options import ValidateOptions, validate
from edgecv.core.data import Dataset
from edgecv.core.errors import DivergedError, StepError
from edgecv.core.events import Event
from edgecv.core.registry import TASKS
from edgecv.core.report import Report
from edgecv.models.training.schedule import Schedule
from edgecv.pipeline.control import ControlRunner, trainings
from edgecv.pipeline.recipe.recipe import Recipe
from edgecv.pipeline.run import run
from edgecv.reports.html import report_html
from edgecv.reports.json_file import read_report, to_table
from edgecv.reports.markdown import to_markdown
from edgecv.reports.verdict import verdict_line
from edgecv.system.storage import Store, tree_sha256

pytestmark = pytest.mark.usefixtures("marks_registered")

TUNING = {"epochs": 6, "minimum_steps": 0, "batch": 32, "learning_rate": 0.004}
PRUNE = {"technique": "prune", "training": TUNING}
QAT = {"technique": "qat", "training": {**TUNING, "epochs": 1}}


def plan(name: str, *techniques: dict[str, Any], **limits: Any) -> Recipe:
    """Return a recipe whose baseline is stopped long before it has learned all it can."""
    made = recipe(TASKS.parse({"task": "classification"}, "test"), *techniques, **limits)
    return made.replace(
        settings=made.settings.model_copy(update={"name": name}),
        schedule=Schedule(epochs=1, minimum_steps=0, batch=32, learning_rate=0.002, warmup=0.0),
        exports=made.exports[:1],
    )


def without_control(made: Recipe) -> Recipe:
    return made.replace(settings=made.settings.model_copy(update={"control": "off"}))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("controls"))


@pytest.fixture(scope="module")
def report(store: Store) -> Report:
    return run(plan("pruned", PRUNE, max_drop_points=20.0), store)


def test_training_alone_gains_and_limits_are_held_against_that(report: Report) -> None:
    assert report.control is not None
    assert report.control.epochs == 6
    (score,) = report.control.scores
    assert score.validation_value > score.baseline_validation_value
    assert score.difference_points > 5
    assert score.decides
    candidate = report.comparisons[1]
    assert candidate.control is not None
    assert candidate.control.value == score.value
    assert candidate.difference_points is not None
    assert candidate.difference_points == pytest.approx(
        candidate.control.difference_points + score.difference_points
    )
    drop = next(gate for gate in report.gates if gate.name == "max_drop_points")
    assert drop.against == "control"
    assert drop.observed == pytest.approx(-candidate.control.difference_points)
    assert report.comparisons[0].control is None, "the twin is the baseline itself"


def test_every_form_of_the_report_has_its_row(report: Report, store: Store) -> None:
    folder = store.run_folder("pruned")
    assert read_report(folder) == report
    assert (folder / "control.keras").is_file()
    text = to_markdown(report)
    assert "| control.keras | keras |" in text
    assert " vs control |" in text
    assert "int8.tflite against the control: " in text
    assert "control.keras" in report_html(report)
    assert "limits are held against it" in verdict_line(report)
    assert " against the control, " not in verdict_line(report).partition(":")[0]


@pytest.mark.slow
def test_recipes_with_the_same_training_share_it_and_nothing_else(
    report: Report, store: Store
) -> None:
    events: list[Event] = []
    sparser = {**PRUNE, "sparsity": 0.7}
    second = run(plan("sparser", sparser, QAT), store, on_event=events.append)
    said = [event.message for event in events if event.stage == "control"]
    assert "1 epoch more" in said[0]
    assert said[1:] == ["the control is stored already", "training the baseline on, as the control"]
    assert second.control is not None
    assert second.control.epochs == 7
    assert not list((store.root / ".store" / "checkpoints").iterdir())


@pytest.mark.slow
def test_a_control_that_is_left_out_is_said(store: Store) -> None:
    found = run(without_control(plan("alone", PRUNE)), store)
    assert found.control is None
    assert found.recipe["control"] == "off"
    assert "control" not in to_table(found)
    assert not (store.run_folder("alone") / "control.keras").exists()
    assert "No control (--control off)" in verdict_line(found)


def test_what_is_only_converted_and_what_leaves_it_out_have_none(report: Report) -> None:
    assert trainings(plan("converted")) == ()
    assert trainings(without_control(plan("alone", PRUNE))) == ()
    shrink = {"technique": "shrink", "rounds": 2}
    assert [each.epochs for each in trainings(plan("twice", shrink, PRUNE))] == [10, 10, 6]
    assert [each.epochs for each in trainings(plan("fits", shrink, PRUNE), {"prune"})] == [6]
    assert trainings(plan("later", {"technique": "shrink", "fine_tune": False})) == ()
    older = replace(report, control=None)
    assert "made before there was one" in verdict_line(older)


def test_a_technique_that_finds_nothing_to_train_has_none(report: Report, store: Store) -> None:
    shrink = {"technique": "shrink", "arena_bytes": 10_000_000, "training": TUNING}
    found = run(plan("fits", shrink), store)
    assert found.control is None
    assert any("nothing had to be removed" in note for note in found.notes)
    assert "No control" not in verdict_line(found), "there is nothing that it could tell apart"


def test_a_control_that_cannot_be_trained_is_said_and_the_baseline_decides(
    report: Report, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(*given: Any) -> None:
        raise DivergedError("training", "the loss is nan", remedy="lower learning_rate")

    monkeypatch.setattr(ControlRunner, "_train", diverge)
    longer = {**PRUNE, "training": {**TUNING, "epochs": 7}}
    found = run(plan("diverged", longer), store)
    assert found.control is not None
    assert (found.control.path, found.control.scores) == ("", ())
    assert "could not be trained (training: the loss is nan" in verdict_line(found)
    assert {gate.against for gate in found.gates} == {""}
    assert read_report(store.run_folder("diverged")) == found


def test_any_other_failure_of_its_training_ends_the_run(
    report: Report, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(*given: Any) -> None:
        raise StepError("model.keras", "cannot be written: No space left on device")

    monkeypatch.setattr(ControlRunner, "_train", fill_the_disk)
    longer = {**PRUNE, "training": {**TUNING, "epochs": 7}}
    with pytest.raises(StepError, match="No space left"):
        run(plan("full", longer), store)


class Killed(Exception):
    pass


@pytest.mark.slow
def test_a_control_that_is_killed_goes_on_where_it_was(report: Report, store: Store) -> None:
    seen: list[str] = []

    def kill_in_the_control(event: Event) -> None:
        seen.append(event.message)
        if seen.count("training the baseline on, as the control") and event.stage == "epoch":
            raise Killed

    made = plan("killed", {**PRUNE, "training": {**TUNING, "epochs": 3}})
    with pytest.raises(Killed):
        run(made, store, on_event=kill_in_the_control)
    again: list[str] = []
    run(made, store, on_event=lambda event: again.append(event.message))
    assert "prune is stored already" in again
    assert "an interrupted training goes on after epoch 1 of 3" in again


def test_validate_holds_the_same(report: Report, store: Store) -> None:
    folder = store.run_folder("pruned")
    found = validate(ValidateOptions(paths=(folder,)))
    assert found.control is not None
    assert report.control is not None
    assert found.control.scores == report.control.scores
    assert [each.control for each in found.comparisons] == [
        each.control for each in report.comparisons
    ]
    assert {gate.name: gate.against for gate in found.gates}["max_drop_points"] == "control"
    other = validate(ValidateOptions(paths=(folder,), baseline=folder / "baseline.keras"))
    assert other.control is None, "another baseline was asked for"


def test_images_without_labels_have_no_figure_of_it(
    report: Report, store: Store, tmp_path: Path
) -> None:
    """The figure of the run's own images stood there, and the gate did not find the file."""
    folder = store.run_folder("pruned")
    for number in range(4):
        Image.new("L", (16, 16), 60 * number).save(tmp_path / f"{number}.png")
    found = validate(ValidateOptions(paths=(folder,), data=str(tmp_path)))
    assert found.control is not None
    assert found.control.scores == ()
    assert control_sha256(found) == tree_sha256(folder / "control.keras")
    assert "control" not in verdict_line(found)


@pytest.mark.slow
def test_the_lock_knows_the_control(report: Report, store: Store, tmp_path: Path) -> None:
    folder, lock = store.run_folder("pruned"), tmp_path / "edgecv.lock"
    judgement = gate_run(GateOptions(run=folder, against=lock, update=True))
    assert judgement.update == "written"
    accepted = read_lock(lock)
    assert accepted.control is not None
    assert accepted.control.decides
    lock.write_text(lock_text(accepted.model_copy(update={"control": None})))
    changed = gate_run(GateOptions(run=folder, against=lock)).changes
    assert "there is a control now, and the accepted run had none" in changed


def test_it_trains_on_the_part_of_the_images_that_techniques_train_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With train_fraction below 1 it had more images and steps than what it is held against."""
    seen: list[tuple[int, int]] = []

    def fit(model: Any, data: Dataset, task: Any, schedule: Schedule, **options: Any) -> Any:
        seen.append((len(data.train), schedule.minimum_steps))
        return ()

    monkeypatch.setattr("edgecv.models.training.loop.fit", fit)
    part = bars(100, 1, (8, 8, 1))
    data = Dataset("bars", ("top", "bottom"), part, part, part, part)
    schedule, keys = Schedule(epochs=1, minimum_steps=400), set()
    for fraction in (1.0, 0.25):
        made = plan("part", PRUNE)
        settings = made.settings.model_copy(update={"train_fraction": fraction})
        source: Any = SimpleNamespace(sha256="s")
        model: Any = SimpleNamespace(
            recipe=made.replace(settings=settings),
            data=data,
            source=source,
            loaded=lambda file: tiny(),
        )
        context: Any = SimpleNamespace(
            seed=0, store=SimpleNamespace(checkpoint=tmp_path.joinpath), on_event=print
        )
        runner = ControlRunner(model, context)
        keys.update(runner._keys([schedule]))
        runner._train(source, schedule, "key", tmp_path)
    assert seen == [(100, 400), (25, 100)]
    assert len(keys) == 2
