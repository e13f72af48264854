"""Runs that are kept in logs: the run is the same, and the log can be written afterwards."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest

import edgecv
from edgecv.cli.log import LogCommand
from edgecv.cli.log import run as log
from edgecv.core.errors import InputError, StepError
from edgecv.core.events import Event
from edgecv.core.report import Report
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.run import run
from edgecv.system.storage import Store

TABLE = {
    "name": "x",
    "data": {"source": "digits"},
    "export": [{"format": "tflite", "precision": "int8"}],
}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def arrays() -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (260, 32, 32, 1), dtype=np.uint8)
    labels = np.arange(260) % 2
    images[labels == 1, :16] //= 2
    return images[:200], labels[:200], images[200:], labels[200:]


def test_a_logged_training_gives_the_same_weights_under_the_same_key(
    arrays: tuple[np.ndarray, ...], tmp_path: Path
) -> None:
    options = {"epochs": 1, "architecture": "plain_cnn"}
    plain = edgecv.train(arrays, output=tmp_path / "plain", **options)
    logged = edgecv.train(
        arrays, output=tmp_path / "logged", log=("csv", "tensorboard", "mlflow:http://127.0.0.1:9"),
        **options,
    )  # fmt: skip
    assert plain.folder.name == logged.folder.name
    assert (plain.folder / "model.keras").read_bytes() == (
        logged.folder / "model.keras"
    ).read_bytes()
    rows = rows_of(tmp_path / "logged" / "logs" / "experiments.csv")
    found = {(row["epoch"], row["name"]): row["value"] for row in rows}
    for epoch in logged.history:
        for name in ("loss", "validation_loss", "accuracy", "learning_rate"):
            assert float(found[str(epoch["epoch"]), name]) == epoch[name]
    assert found["", "outcome"] == "trained"
    assert float(found["", "model.keras/accuracy"]) == logged.test.value


def test_a_logged_run_is_the_run_without_logs(main_report: Report, output: Path) -> None:
    said: list[Event] = []
    options = {"data": "digits", "epochs": 3, "name": "logged", "max_drop": 5}
    recipe = CompressOptions(**options, log=("csv", "mlflow:http://127.0.0.1:9")).to_recipe()
    report = run(recipe, Store(output), on_event=said.append)
    assert report.outcome == main_report.outcome
    assert {**report.recipe, "name": ""} == {**main_report.recipe, "name": ""}
    assert [each.artifact.sha256 for each in report.comparisons] == [
        each.artifact.sha256 for each in main_report.comparisons
    ]
    assert report.trainings == main_report.trainings
    assert "[[log]]" not in (output / "logged" / "recipe.toml").read_text()
    rows = rows_of(output / "logs" / "experiments.csv")
    names = {row["name"]: row["value"] for row in rows if row["run"] == "logged"}
    assert names["outcome"] == report.outcome
    for each in report.comparisons:
        assert float(names[f"{each.artifact.path}/accuracy"]) == each.value
        assert float(names[f"{each.artifact.path}/bytes"]) == each.artifact.bytes
        assert each.statistics is not None
        assert each.statistics.difference is not None
        low = names[f"{each.artifact.path}/difference_points_low"]
        assert float(low) == each.statistics.difference.interval_points[0]
    losses = [
        row["value"] for row in rows if (row["training"], row["name"]) == ("baseline", "loss")
    ]
    assert len(losses) == 3, "the stored training is logged too"
    notes = [event.message for event in said if "mlflow" in event.message]
    if len(notes) == 2:  # The extra is installed.
        assert "http://127.0.0.1:9 does not answer" in notes[0]
        assert f"edgecv log {output / 'logged'} --to mlflow:http://127.0.0.1:9" in notes[1]


class Lines:
    def answer(self, text: str) -> None:
        self.text = text


def test_a_finished_run_is_written_into_a_log(
    main_report: Report, output: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(output / "main", tmp_path / "main"))
    path = tmp_path / "all.csv"
    for _ in range(2):
        assert log(LogCommand(run=folder, to=(f"csv:{path}",)), Lines()) == 0  # type: ignore[arg-type]
    rows = rows_of(path)
    assert len({row["started"] for row in rows}) == 1
    assert [row["value"] for row in rows if row["name"] == "outcome"] == ["passed", "passed"]
    assert {row["epoch"] for row in rows if row["training"] == "baseline"} == {"1", "2", "3"}
    report = json.loads((folder / "report.json").read_text())
    (folder / "report.json").write_text(json.dumps({**report, "outcome": "failed"}))
    with pytest.raises(InputError):
        log(LogCommand(run=folder, to=(f"csv:{path}",)), Lines())  # type: ignore[arg-type]


def test_a_server_that_does_not_answer_is_an_error_of_the_command(
    main_report: Report, output: Path
) -> None:
    pytest.importorskip("mlflow", reason="the extra mlflow is not installed")
    to = ("mlflow:http://127.0.0.1:9",)
    with pytest.raises(StepError, match=r"does not answer.*the run is kept"):
        log(LogCommand(run=output / "main", to=to), Lines())  # type: ignore[arg-type]


def test_recipes_name_one_log_or_several() -> None:
    one = parse_recipe({**TABLE, "log": {"log": "csv", "path": "all.csv"}}, "x.toml")
    several = parse_recipe({**TABLE, "log": [{"log": "tensorboard"}, {"log": "csv"}]}, "x.toml")
    assert [each.name for each in (*one.logs, *several.logs)] == ["csv", "tensorboard", "csv"]
    assert parse_recipe(several.table(), "x.toml") == several
    with pytest.raises(InputError, match="csv stands there twice"):
        parse_recipe({**TABLE, "log": [{"log": "csv"}, {"log": "csv"}]}, "x.toml")
    with pytest.raises(InputError, match=r"log\[1\].*wandb.*accepted: csv, mlflow, tensorboard"):
        parse_recipe({**TABLE, "log": [{"log": "wandb"}]}, "x.toml")
    with pytest.raises(InputError, match=r"write \[\[log\]\]"):
        parse_recipe({**TABLE, "log": "csv"}, "x.toml")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("wandb", r"--log: unknown log \"wandb\""),
        ("csv:", "names no place"),
    ],
)
def test_a_log_that_is_not_there_is_refused(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        CompressOptions(data="digits", log=given).to_recipe()


def test_flags_take_the_place_of_the_logs_of_a_recipe(tmp_path: Path) -> None:
    path = tmp_path / "x.toml"
    recipe = parse_recipe({**TABLE, "log": {"log": "csv"}}, "x.toml")
    path.write_text(recipe.to_toml())
    kept = CompressOptions(recipe=str(path)).to_recipe()
    changed = CompressOptions(recipe=str(path), log="tensorboard:here").to_recipe()
    assert [each.name for each in kept.logs] == ["csv"]
    assert [each.name for each in changed.logs] == ["tensorboard"]
