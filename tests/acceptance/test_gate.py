"""The command end to end: a run is accepted, spoiled in several ways, and judged."""

import json
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from accepted_runs import Accepted
from small_report import REPORT
from typer.testing import CliRunner

import edgecv
from edgecv.acceptance.accept_front import accept_front, gate_options
from edgecv.acceptance.lock import default_limits
from edgecv.acceptance.outputs import check_files, to_table
from edgecv.acceptance.text import advice, verdict_line
from edgecv.cli import app
from edgecv.core.errors import InputError
from edgecv.core.events import Event
from edgecv.core.registry import TARGETS
from edgecv.pipeline.search.options import SearchOptions
from edgecv.reports.json_file import write_report
from edgecv.system.storage.atomic_files import write_bytes

ChangedRun = Callable[[dict[str, bytes]], Path]


def test_a_run_that_was_accepted_passes_and_writes_what_was_asked_for(
    accepted: Accepted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = accepted.judgement
    assert (first.update, first.is_first, first.exit_code) == ("written", True, 0)
    assert verdict_line(first).startswith("ACCEPTED: 2 files of gated, written to ")
    assert accepted.lock.limits == default_limits(has_labels=True, has_speedups=True)
    monkeypatch.chdir(accepted.lock_path.parent)
    slowdown = "max_slowdown_percent = "
    text = accepted.lock_path.read_text().replace(f"{slowdown}10.0", f"{slowdown}99.9")
    assert f"{slowdown}99.9" in text
    lock = tmp_path / "edgecv.lock"  # Two files that are timed for a moment may seem slower.
    lock.write_text(text)
    files = {"--junit": tmp_path / "j.xml", "--markdown": tmp_path / "m.md"}
    options = [str(word) for pair in files.items() for word in pair]
    done = CliRunner().invoke(app, ["gate", str(accepted.folder), "--against", str(lock), *options])
    assert done.exit_code == 0, done.output
    assert "Nothing changed since" in files["--markdown"].read_text()
    assert ElementTree.parse(files["--junit"]).getroot().attrib["failures"] == "0"


@pytest.mark.slow
def test_a_float_twin_for_a_candidate_and_other_labels_are_both_named(
    accepted: Accepted, changed_run: ChangedRun, tmp_path: Path
) -> None:
    folder = changed_run({"int8.tflite": (accepted.folder / "float32.tflite").read_bytes()})
    test, train = accepted.measured.data.test, accepted.measured.data.train
    labels = test.labels.copy()
    labels[0] = (labels[0] + 1) % 10
    data = tmp_path / "data.npz"
    np.savez(data, x_test=test.images, y_test=labels, x_train=train.images, y_train=train.labels)
    found = edgecv.gate(folder, against=accepted.lock_path, data=data)
    assert found.folder == str(folder)
    assert found.exit_code == 1
    outcomes = {gate.name: gate.outcome for gate in found.gates if gate.outcome != "passed"}
    assert outcomes.pop("accepted_speedup", "failed") == "failed"  # Of two copies it is about 1.
    assert outcomes == {
        "accepted_data": "inconclusive",
        "accepted_bytes": "failed",
        "accepted_gzip_bytes": "failed",
        "precision": "failed",
    }
    assert any(words.startswith("the test data is not the accepted one") for words in found.changes)
    assert "the same bytes as float32.tflite" in verdict_line(found)
    assert "int8.tflite is a copy of float32.tflite" in " ".join(advice(found))
    table = json.loads(json.dumps(to_table(found), allow_nan=False))
    assert (table["outcome"], table["exit_code"]) == ("failed", 1)


def with_other_weights(path: Path) -> bytes:
    """Return an int8 file with every bit of its largest kernel turned."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path))
    interpreter.allocate_tensors()
    details = [each for each in interpreter.get_tensor_details() if each["dtype"] is np.int8]
    largest = max(details, key=lambda each: np.prod(each["shape"]))
    kernel = interpreter.get_tensor(largest["index"])
    content = path.read_bytes()
    assert content.count(kernel.tobytes()) == 1
    return content.replace(kernel.tobytes(), (~kernel).tobytes())


def test_damaged_weights_fail_and_a_file_that_cannot_run_is_exit_3_and_never_accepted(
    accepted: Accepted, changed_run: ChangedRun, tmp_path: Path
) -> None:
    content = with_other_weights(accepted.folder / "int8.tflite")
    float32 = (accepted.folder / "float32.tflite").read_bytes()
    folder = changed_run({"int8.tflite": content, "float32.tflite": float32[:1000]})
    lock = tmp_path / "edgecv.lock"
    lock.write_bytes(accepted.lock_path.read_bytes())
    found = edgecv.gate(folder, against=lock, update=True)
    assert (found.update, found.exit_code) == ("refused", 3)
    assert lock.read_bytes() == accepted.lock_path.read_bytes()
    outcomes = {(gate.artifact, gate.name): gate.outcome for gate in found.gates}
    assert outcomes["float32.tflite", "runs"] == "failed"
    assert outcomes["int8.tflite", "accepted_drop_points_bound"] == "failed"
    assert "became wrong" in verdict_line(found)


def test_a_float_file_that_the_recipe_asks_for_is_judged_and_a_refused_lock_is_said(
    accepted: Accepted, changed_run: ChangedRun
) -> None:
    """A run that failed was accepted, and the lock of a front that was not written was not said."""
    table = json.loads((accepted.folder / "report.json").read_text())
    recipe, least = table["recipe"], accepted.report.files[1].artifact.bytes
    recipe["export"].insert(0, {**recipe["export"][0], "precision": "float32"})
    recipe["gates"]["max_bytes"] = least
    folder = changed_run({"report.json": json.dumps(table).encode()})
    events: list[Event] = []
    front: Any = SimpleNamespace(front=(SimpleNamespace(folder=str(folder), outcome="passed"),))
    accept_front(front, SearchOptions(), events.append)
    assert not Path(f"{folder}.lock").exists()
    said = [each.message for each in events if each.stage == "note"]
    assert f"{folder} has no lock: FAILED: float32.tflite: " in said[-1]
    assert "float32.tflite: bytes " in said[-1]


def test_a_front_is_accepted_where_it_was_measured(tmp_path: Path) -> None:
    """The times of a device were locked as those of this machine."""
    options = SearchOptions(on="ssh://host", python="python3.12", threads=2)
    device = options.device()
    assert device is not None
    recipe = {**REPORT.recipe, "device": TARGETS.table(device)}
    write_report(replace(REPORT, recipe=recipe), tmp_path / "report.json")
    found = gate_options(tmp_path, tmp_path / "run.lock", options)
    assert (found.on, found.python, found.threads) == ("ssh://host", "python3.12", 2)
    assert found.device() == device


def test_a_byte_that_the_run_did_not_write_is_wrong_input_at_once(
    accepted: Accepted, changed_run: ChangedRun
) -> None:
    folder = changed_run({})
    content = bytearray((folder / "int8.tflite").read_bytes())
    content[len(content) // 2] ^= 1
    (folder / "int8.tflite").write_bytes(content)
    with pytest.raises(InputError, match=r"int8\.tflite: is not the file that the run wrote"):
        edgecv.gate(folder, against=accepted.lock_path)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"against": "none.lock"}, "none.lock: there is none; accept a run first"),
        ({"against": "no/folder.lock"}, "there is no folder no"),
        ({"against": "a.lock", "junit": "a.lock"}, "is the file of against= too"),
        ({"markdown": "."}, "is a folder"),
        ({"junit": "RUN/junit.xml"}, "is in the run, which is sealed"),
    ],
    ids=str,
)
def test_wrong_places_are_refused_before_anything_is_measured(
    accepted: Accepted,
    options: dict[str, str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {key: value.replace("RUN", str(accepted.folder)) for key, value in options.items()}
    with pytest.raises(InputError, match=message):
        edgecv.gate(accepted.folder, **places)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="is not a run folder"):
        edgecv.gate(tmp_path / "nothing", against=accepted.lock_path)
    assert list(tmp_path.iterdir()) == []


def test_a_link_to_itself_is_replaced_by_the_file_that_is_written(tmp_path: Path) -> None:
    junit, run = tmp_path / "junit.xml", tmp_path / "run"
    for loop in (junit, run):
        loop.symlink_to(loop.name)
    check_files(run, {"--junit": junit})
    write_bytes(junit, b"<testsuites/>")
    assert not junit.is_symlink()
    with pytest.raises(InputError, match="there is no folder"):
        check_files(tmp_path / "own", {"--junit": run / "junit.xml"})
