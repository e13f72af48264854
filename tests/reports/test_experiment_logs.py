"""Logs of experiments: what is written is read back with the readers of each kind."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from edgecv.core.errors import InputError, StepError
from edgecv.core.events import Event
from edgecv.core.plugins import ExperimentLog, Figures, LoggedResults, LoggedRun
from edgecv.core.registry import LOGS
from edgecv.core.report import TrainingCurve
from edgecv.pipeline.baseline import planned_label
from edgecv.pipeline.recipe.from_flags import TrainOptions
from edgecv.pipeline.run_logs import RunLogs
from edgecv.reports.logs.csv_log import CsvLog
from edgecv.reports.logs.mlflow import MLflow
from edgecv.reports.logs.tensorboard import TensorBoard

EPOCH = {"loss": 0.5, "accuracy": 0.75, "validation_loss": 0.625, "learning_rate": 0.25}


@pytest.fixture
def logged(tmp_path: Path) -> LoggedRun:
    parameters = {"name": "cnn.v2", "baseline.training.epochs": 2}
    parameters |= {f"technique.{number}.technique": "x" for number in range(120)}
    return LoggedRun("cnn.v2", "2026-11-29T00:00:00+00:00", tmp_path / "logs", parameters)


@pytest.fixture
def results(tmp_path: Path) -> LoggedResults:
    from PIL import Image

    Image.new("RGB", (5, 3)).save(tmp_path / "curves.png")
    (tmp_path / "int8.tflite").write_bytes(b"model")
    figures = {"int8.tflite/accuracy": 0.875, "int8.tflite (a)/speedup_low": 2.5}
    files = (tmp_path / "curves.png", tmp_path / "int8.tflite")
    return LoggedResults("failed", "# cnn\n\nFAILED", figures, files)


def write(log: ExperimentLog, run: LoggedRun, results: LoggedResults | None) -> None:
    log.check(run)
    session = log.open(run)
    session.epoch("baseline", 1, EPOCH)
    session.epoch("baseline", 2, {**EPOCH, "loss": 0.25})
    session.epoch("prune", 1, EPOCH)
    if results is not None:
        session.finish(results)
    session.close()


def test_a_csv_file_has_a_row_for_each_figure_of_all_runs(
    logged: LoggedRun, results: LoggedResults
) -> None:
    write(CsvLog(), logged, results)
    write(CsvLog(), replace(logged, name="other"), results)
    with (logged.folder / "experiments.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = {(row["run"], row["training"], row["epoch"], row["name"]): row["value"] for row in rows}
    assert len(found) == len(rows)
    assert found["cnn.v2", "baseline", "2", "loss"] == "0.25"
    assert found["other", "prune", "1", "validation_loss"] == "0.625"
    assert found["other", "", "", "outcome"] == "failed"
    assert found["cnn.v2", "", "", "int8.tflite (a)/speedup_low"] == "2.5"
    assert found["cnn.v2", "", "", "baseline.training.epochs"] == "2"


def test_a_file_that_is_no_log_is_refused_and_stays(logged: LoggedRun, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match=r"is no log of edgecv.*names another file"):
        CsvLog(path=str(path)).check(logged)
    assert path.read_text() == "a,b\n1,2\n"
    with pytest.raises(InputError, match="is not a folder"):
        TensorBoard(folder=str(path)).check(logged)


def test_event_files_hold_scalars_texts_and_pictures(
    logged: LoggedRun, results: LoggedResults
) -> None:
    from edgecv.models.tf import load_tensorflow

    tensorflow, _ = load_tensorflow()
    write(TensorBoard(), logged, results)
    found = {}
    (folder,) = (logged.folder / "tensorboard").iterdir()
    assert {path.name for path in folder.iterdir()} == {"baseline", "prune", "results"}
    for path in folder.rglob("*tfevents*"):
        for event in tensorflow.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                tab = value.metadata.plugin_data.plugin_name
                content = tensorflow.make_ndarray(value.tensor)
                found[path.parent.name, value.tag, event.step] = (tab, content)
    assert found["baseline", "loss", 1] == ("scalars", 0.5)
    assert found["baseline", "loss", 2] == ("scalars", 0.25)
    assert found["prune", "learning_rate", 1] == ("scalars", 0.25)
    assert found["results", "int8.tflite/accuracy", 0] == ("scalars", 0.875)
    assert found["results", "outcome", 0] == ("text", b"failed")
    assert found["results", "report", 0] == ("text", b"# cnn\n\nFAILED")
    tab, picture = found["results", "curves", 0]
    assert (tab, *picture[:2]) == ("images", b"5", b"3")
    assert picture[2] == results.files[0].read_bytes()


@pytest.mark.parametrize("store", ["", pytest.param("file", marks=pytest.mark.slow)])
def test_mlflow_shows_run_verdict_and_files(
    logged: LoggedRun,
    results: LoggedResults,
    store: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    mlflow = pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    uri = (tmp_path / "store").as_uri() if store else None
    write(MLflow(uri=uri), logged, results)
    write(MLflow(uri=uri), logged, None)
    at = uri or f"sqlite:///{logged.folder / 'mlflow' / 'mlflow.db'}"
    client = mlflow.MlflowClient(tracking_uri=at, registry_uri=at)
    experiment = client.get_experiment_by_name("edgecv")
    broken, whole = client.search_runs([experiment.experiment_id])
    assert (broken.info.status, whole.info.status) == ("FAILED", "FINISHED")
    assert whole.info.run_name == "cnn.v2"
    assert whole.data.tags["verdict"] == "failed"
    assert whole.data.params["baseline.training.epochs"] == "2"
    assert len(whole.data.params) == 122
    assert whole.data.metrics["int8.tflite/accuracy"] == 0.875
    assert whole.data.metrics["int8.tflite _a_/speedup_low"] == 2.5
    losses = client.get_metric_history(whole.info.run_id, "baseline/loss")
    assert [(each.step, each.value) for each in losses] == [(1, 0.5), (2, 0.25)]
    files = client.list_artifacts(whole.info.run_id)
    assert [each.path for each in files] == ["curves.png", "int8.tflite"]
    assert not list((tmp_path / "here").iterdir()), "nothing is written into the current folder"
    if store:
        return
    (version,) = client.search_model_versions("name='cnn_v2'")
    assert (version.run_id, version.tags) == (whole.info.run_id, {"verdict": "failed"})


def test_a_server_that_does_not_answer_is_named(logged: LoggedRun) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    log = MLflow(uri="http://127.0.0.1:9")
    log.check(logged)
    with pytest.raises(StepError, match=r"http://127.0.0.1:9 does not answer"):
        log.open(logged)
    for uri in ("ftp://example.org", "sqlite:////proc/none/all.db"):
        with pytest.raises(InputError, match=r"cannot be opened"):
            MLflow(uri=uri).check(logged)


class Broken(ExperimentLog):
    """Fails at the second epoch."""

    name: ClassVar[str] = "broken"
    address: ClassVar[str] = "place"
    place: str = "there"

    def open(self, run: LoggedRun) -> "Broken":
        return self

    def epoch(self, training: str, number: int, figures: Figures) -> None:
        if number > 1:
            raise RuntimeError("the disk\nis full")

    def finish(self, results: LoggedResults) -> None:
        raise AssertionError("it has failed")

    def close(self) -> None:
        raise OSError("again")


class Kept:
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []

    def epoch(self, training: str, number: int, figures: Figures) -> None:
        self.calls.append((training, number, dict(figures)))

    def finish(self, results: LoggedResults) -> None:
        self.calls.append((results.outcome,))

    def close(self) -> None:
        self.calls.append(())


class Memory(ExperimentLog):
    """Keeps everything in memory."""

    name: ClassVar[str] = "memory"
    address: ClassVar[str] = "place"
    place: str | None = None
    kept: ClassVar[Kept]

    def open(self, run: LoggedRun) -> Kept:
        type(self).kept = Kept()
        return self.kept


def epochs(count: int) -> Sequence[Event]:
    return [
        Event("epoch", "epoch done", number, count, {"epoch": number, "loss": 1.0}, training="qat")
        for number in range(1, count + 1)
    ]


def test_a_log_that_fails_is_left_out_and_the_run_goes_on(
    logged: LoggedRun, results: LoggedResults
) -> None:
    said: list[Event] = []
    stored = TrainingCurve("baseline", ({"epoch": 1, "loss": 2.0, "settled": True},))
    shown = TrainingCurve(
        "qat", ({"epoch": 1, "loss": 1.0}, {"epoch": 2, "loss": 0.5, "validation_loss": None})
    )
    with RunLogs([Broken(), Memory()], logged, said.append) as logs:
        for event in epochs(2):
            logs.on_event(event)
        logs.finish(results, [stored, shown], lambda log: f"edgecv log X --to {log} sends it")
    notes = [event.message for event in said if event.stage == "note"]
    assert notes == [
        "the log broken fails, the run goes on: RuntimeError: the disk is full",
        "the log is kept: edgecv log X --to broken:there sends it",
    ]
    assert Memory.kept.calls == [
        ("qat", 1, {"loss": 1.0}),
        ("qat", 2, {"loss": 1.0}),
        ("baseline", 1, {"loss": 2.0}),
        ("qat", 2, {"loss": 0.5}),
        ("failed",),
        (),
    ]


def test_a_run_that_is_refused_opens_no_log(logged: LoggedRun, tmp_path: Path) -> None:
    logs = [CsvLog(), TensorBoard()]
    with pytest.raises(InputError), RunLogs(logs, logged, lambda event: None):
        raise InputError("data", "is wrong")
    assert not logged.folder.exists()


def test_a_training_is_called_as_its_folder(tmp_path: Path) -> None:
    (tmp_path / "mine.npz").touch()
    for options, label in (
        ({"data": str(tmp_path / "mine.npz")}, "mine-cifar_cnn"),
        ({"data": "digits", "from_model": "m.keras"}, "digits-from-m"),
        ({"data": "digits", "weights": "w.h5"}, "digits-cifar_cnn-from-w"),
    ):
        assert planned_label(TrainOptions.model_validate(options).to_recipe()) == label


def test_each_log_says_which_option_is_its_place() -> None:
    for cls in LOGS.classes.values():
        assert cls.address in cls.model_fields
