"""Commands that measure on a host over SSH: a real sshd of our own, on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest
from devices import needs
from ssh_server import Server

import edgecv
from edgecv.acceptance.testing.fixture import EdgecvCompare
from edgecv.acceptance.testing.session import CompareSession
from edgecv.core.errors import InputError
from edgecv.core.report import Report
from edgecv.pipeline.prediction_cache import NO_CACHE
from edgecv.system.environment import machine

pytestmark = [pytest.mark.device, needs("ssh", "sshd")]


def with_machine(report: Report, machine: str) -> Report:
    """Return a report whose device is of another kind than this machine."""
    rows = tuple(replace(each, machine=machine) for each in report.comparisons)
    return replace(report, comparisons=rows)


def on_host(text: str) -> bool:
    return text.startswith(("LiteRT 2.", "ONNX Runtime 1.")) and " on ssh://127.0.0.1:" in text


def test_validate_measures_a_file_there(server: Server, output: Path, main_report: Report) -> None:
    run = output / "main"
    report = edgecv.validate(
        run / "int8.tflite",
        baseline=run / "float32.tflite",
        data="digits",
        threads=2,
        max_latency=1e6,
        **server.options(),
    )
    (there,) = report.comparisons
    (here,) = [each for each in main_report.comparisons if each.artifact.path == "int8.tflite"]
    assert on_host(there.runtime)
    assert there.value == here.value
    assert there.latency is not None
    assert there.latency.threads == 2
    assert there.machine == machine()  # It is this one.
    assert report.recipe["gates"]["latency_machine"] == there.machine
    assert report.recipe["device"]["host"] == server.options()["on"]
    assert any("bytes of memory on ssh://" in note for note in there.artifact.notes)
    assert any(
        "the original, and all checks of files, ran on this machine" in n for n in report.notes
    )
    assert report.outcome == "passed"
    assert server.left() == []


def test_what_a_device_cannot_do_is_refused(
    server: Server, output: Path, main_report: Report
) -> None:
    path = output / "baselines"
    model = next(path.rglob("*.keras"))
    with pytest.raises(InputError, match=r"on=.*: does not take \.keras files"):
        edgecv.validate(model, data="digits", **server.options())
    with pytest.raises(InputError, match="a device runs one image at a time"):
        edgecv.bench(output / "main" / "int8.tflite", batch=2, **server.options())
    with pytest.raises(InputError, match="devices are given images"):
        edgecv.validate(
            output / "main" / "int8.tflite",
            baseline=output / "main" / "float32.tflite",
            **server.options(),
        )


def test_an_interrupt_ends_a_measurement_there_too(
    server: Server, output: Path, main_report: Report
) -> None:
    server.interrupt_once_it_runs()
    with pytest.raises(KeyboardInterrupt):
        edgecv.bench(output / "main" / "int8.tflite", budget=60, **server.options())
    assert not server.processes("python")
    assert server.left() == []


@pytest.mark.slow
def test_a_whole_run_is_validated_and_accepted_there(
    server: Server, output: Path, main_report: Report, tmp_path: Path
) -> None:
    run, lock, options = output / "main", tmp_path / "edgecv.lock", server.options()
    accepted = edgecv.gate(run, against=lock, update=True, **options)
    report = accepted.report
    assert all(on_host(each.runtime) for each in report.comparisons)
    assert {each.artifact.path for each in report.comparisons if each.is_twin} == {
        "float32.tflite",
        "float32.onnx",
    }
    assert all(each.speedup_interval for each in report.comparisons)
    assert 'device = "LiteRT 2.' in lock.read_text()
    again = edgecv.gate(run, against=lock, **options)
    assert not any(each.startswith("speed-ups") for each in again.not_compared)
    assert again.changes == ()
    here = edgecv.gate(run, against=lock)
    assert any(each.startswith("device LiteRT") for each in here.changes)
    assert server.left() == []


@pytest.mark.slow
def test_a_run_is_compressed_and_judged_there(server: Server, output: Path, tmp_path: Path) -> None:
    report = edgecv.compress(
        data="digits",
        epochs=3,
        name="there",
        formats="tflite",
        max_drop=5.0,
        output=str(output),
        **server.options(),
    )
    assert [on_host(each.runtime) for each in report.comparisons] == [True, True]
    assert "[device]" in (output / "there" / "recipe.toml").read_text()
    assert "on ssh://127.0.0.1" in (output / "there" / "report.md").read_text()
    again = edgecv.compress(
        recipe=str(output / "there" / "recipe.toml"), output=str(output), max_size="1kb"
    )
    assert "judged again" in again.notes[-1]
    with pytest.raises(edgecv.InputError, match="Connection refused"):
        edgecv.compress(
            data="digits", epochs=3, name="nowhere", on="ssh://127.0.0.1:1", output=str(output)
        )
    assert server.left() == []


@pytest.mark.slow
def test_files_are_benched_there(server: Server, output: Path, main_report: Report) -> None:
    run = output / "main"
    files = [run / "float32.tflite", run / "int8.tflite", run / "int8.onnx"]
    found = edgecv.bench(files, budget=1, **server.options())
    assert found.device == server.options()["on"]
    assert found.processes == 3
    assert [each.path for each in found.timings] == [*map(str, files)]
    assert found.timings[1].verdict == "faster"
    assert found.cores == ()
    assert server.left() == []


@pytest.mark.slow
def test_the_fixture_of_pytest_measures_there(
    server: Server, output: Path, main_report: Report, tmp_path: Path
) -> None:
    compare = EdgecvCompare(CompareSession(tmp_path, NO_CACHE, False, lambda: tmp_path))
    run = output / "main"
    pair = compare(
        run / "int8.tflite",
        baseline=run / "float32.tflite",
        data="digits",
        timed=True,
        **server.options(),
    )
    pair = replace(pair, report=with_machine(pair.report, "another"))
    assert on_host(pair.comparison.runtime)
    pair.assert_limits(max_drop=5.0, max_latency=1e6)
    pair.assert_latency(1e6)
