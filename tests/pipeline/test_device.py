"""Measurements on a device: what comes back, what fails alone, what is refused before."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
from deployed import deployed_file

from edgecv.analysis.bench.on_device import DeviceBench
from edgecv.analysis.options import BenchOptions, ValidateOptions
from edgecv.core.artifact import Artifact, SessionFacts
from edgecv.core.comparison import Blocks
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import InputError, RuntimeFailure, StepError
from edgecv.core.input_spec import InputSpec
from edgecv.core.plugins import DeployContext, DeployedFile, DeviceFacts, Target
from edgecv.pipeline.device import DeviceSession, check_device, measure_on_device
from edgecv.pipeline.measure import MeasuredFile, MeasurementPool
from edgecv.pipeline.recipe.from_flags import CompressOptions
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.pipeline.recipe.schema import recipe_schema
from edgecv.targets.ssh.target import Ssh

pytestmark = pytest.mark.quick

IMAGES = np.zeros((3, 8, 8, 1), np.uint8)
SEEN: list[tuple[str, Any]] = []


class Opened:
    """A file on a device that answers its name's length, and takes so many microseconds."""

    def __init__(self, file: DeployedFile, target: "Board") -> None:
        self._name, self._target, self._timed = file.path.name, target, []
        self.facts = DeviceFacts("Runtime 1", memory_bytes=77, notes=("a note",))

    def predict(self, images: Images) -> Outputs:
        if self._name == self._target.broken:
            raise RuntimeFailure("there", "dies of it")
        return Outputs({"probabilities": np.full((len(images), 3), len(self._name), np.float32)})

    def time(self, image: Images) -> tuple[Blocks, ...] | None:
        SEEN.append((self._name, len(image)))
        if self._name == self._target.slow and self._timed.count(self._name):
            raise RuntimeFailure("there", "is silent")
        self._timed.append(self._name)
        runs = 5 + len(SEEN) % 2
        return (np.full((4, runs), 1000 * len(self._name)),) if self._target.times else None


class Board(Target):
    """A device of one thread for .tflite files."""

    name: ClassVar[str] = "board"
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    address: ClassVar[str] = "port"
    port: str = "1"
    times: bool = True
    broken: str = ""
    unbuilt: str = ""
    slow: str = ""
    lost: bool = False

    def build(self, file: DeployedFile, folder: Path) -> None:
        assert not list(folder.iterdir())
        if file.path.name == self.unbuilt:
            raise RuntimeFailure("there", "cannot be built")

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[Opened | None]:
        if self.lost:
            raise StepError("--to board:1", "is silent", remedy="try --to board:2")
        yield Opened(file, self)


def file_called(name: str) -> DeployedFile:
    artifact = Artifact(name, "tflite", "int8", 1000, 900, "0" * 64)
    return deployed_file("tflite", path=Path(name), artifact=artifact)


FILES = [file_called("one.tflite"), file_called("second.tflite")]
MEASURED = [MeasuredFile(each.artifact, each.path) for each in FILES]
CONTEXT = DeployContext(lambda stage, message: None)


def test_files_are_measured_there_and_timed_in_turn() -> None:
    SEEN.clear()
    found, failures = measure_on_device(Board(), FILES, IMAGES, CONTEXT, rounds=2)
    assert failures == {}
    one, second = found
    assert one.runtime == second.runtime == "Runtime 1 on board:1"
    assert one.machine == second.machine != ""
    assert one.artifact.notes == ("a note", "takes 77 bytes of memory on board:1")
    assert one.outputs.arrays["probabilities"].tolist() == [[10] * 3] * 3
    names = [name[0] for name, _ in SEEN]
    assert "".join(names) == "os" + "osso" + "soos"
    assert one.blocks_ns is not None
    assert [each.shape for each in one.blocks_ns] == [(8, 5), (8, 5)]
    assert np.unique(one.blocks_ns) == [10_000]


def test_a_file_that_fails_there_fails_alone() -> None:
    board = Board(broken="one.tflite")
    found, failures = measure_on_device(board, FILES, IMAGES, CONTEXT, rounds=2)
    assert failures == {"one.tflite": "dies of it"}
    assert [each.artifact.path for each in found] == ["second.tflite"]
    assert found[0].blocks_ns is not None


def test_a_file_that_cannot_be_built_there_fails_alone() -> None:
    found, failures = measure_on_device(Board(unbuilt="one.tflite"), FILES, IMAGES, CONTEXT, 1)
    assert failures == {"one.tflite": "cannot be built"}
    assert [each.artifact.path for each in found] == ["second.tflite"]


def test_a_file_that_fails_while_it_is_timed_there_fails_alone() -> None:
    board = Board(slow="one.tflite")
    found, failures = measure_on_device(board, FILES, IMAGES, CONTEXT, rounds=2)
    assert failures == {"one.tflite": "is silent"}
    assert [each.artifact.path for each in found] == ["second.tflite"]


def test_a_file_that_fails_in_a_later_round_of_a_bench_fails_alone() -> None:
    """All files were left out, with its reason."""
    settings = BenchOptions(on="board:1", budget=1.0)
    context: Any = SimpleNamespace(emit=lambda *_: None)
    bench = DeviceBench([each.path for each in FILES], settings, context)
    bench._files = FILES
    with DeviceSession(Board(), CONTEXT) as bench._session:
        for file in FILES:
            bench._session.build(file)
        bench.round(0, 1.0)
        bench._session._target = Board(slow="one.tflite")
        bench.round(1, 1.0)
    assert {each.path.name: reason for each, reason in bench.failures.items()} == {
        "one.tflite": "is silent"
    }
    counts = {each.path.name: len(blocks) for each, blocks in bench.blocks.items()}
    assert counts == {"one.tflite": 1, "second.tflite": 2}


@pytest.mark.parametrize("device", [None, Board()])
def test_a_file_that_no_runtime_opens_fails_alone(
    device: Board | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a device it ended the measurement of all files."""

    def opened(pool: MeasurementPool, runtime: str, path: Path, spec: InputSpec) -> SessionFacts:
        if path.name == "one.tflite":
            raise RuntimeFailure(path.name, "no runtime opens it")
        return FILES[1].facts

    answers = Outputs({"probabilities": np.zeros((3, 3), np.float32)})
    monkeypatch.setattr(MeasurementPool, "open", opened)
    monkeypatch.setattr(MeasurementPool, "predict", lambda *given: answers)
    with MeasurementPool(1, device=device) as pool:
        found, failures = pool.measure(MEASURED, IMAGES, timed=False)
    assert failures == {"one.tflite": "no runtime opens it"}
    assert [each.artifact.path for each in found] == ["second.tflite"]


class Timer:
    """A child that dies of a file while it is timed, and of two files that are both heavy."""

    def __init__(self, broken: str = "", together: bool = True) -> None:
        self._broken, self._together = broken, together

    def renew(self) -> None:
        pass

    def time_interleaved(self, paths: list[Path], image: Images, **given: Any) -> Any:
        if any(each.name == self._broken for each in paths):
            raise RuntimeFailure("litert", "is silent")
        if len(paths) > 1 and not self._together:
            raise RuntimeFailure("litert", "is out of memory")
        return {each: np.full((4, 5), 1000) for each in paths}


@pytest.mark.parametrize(
    ("timer", "failed"),
    [
        (Timer(), {}),
        (Timer("one.tflite"), {"one.tflite": "is silent"}),
        (Timer(together=False), dict.fromkeys(["one.tflite", "second.tflite"], "is out of memory")),
    ],
)
def test_a_file_that_fails_while_it_is_timed_fails_alone(
    timer: Timer, failed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It took all files of its format with it."""
    answers = Outputs({"probabilities": np.zeros((3, 3), np.float32)})
    monkeypatch.setattr(MeasurementPool, "open", lambda *given: FILES[0].facts)
    monkeypatch.setattr(MeasurementPool, "predict", lambda *given: answers)
    monkeypatch.setattr(MeasurementPool, "timer", lambda *given: timer)
    with MeasurementPool(1) as pool:
        found, failures = pool.measure(MEASURED, IMAGES)
    assert failures == failed
    alive = [each.artifact.path for each in FILES if each.artifact.path not in failed]
    assert [each.artifact.path for each in found] == alive
    assert all(each.blocks_ns is not None and len(each.blocks_ns) > 1 for each in found)


def test_a_device_without_a_clock_is_not_timed() -> None:
    found, _ = measure_on_device(Board(times=False), FILES, IMAGES, CONTEXT, rounds=2)
    assert [each.blocks_ns for each in found] == [None, None]
    found, _ = measure_on_device(Board(), FILES, IMAGES, CONTEXT, rounds=0)
    assert [each.blocks_ns for each in found] == [None, None]


def test_a_device_that_is_lost_is_an_error_that_names_on() -> None:
    with pytest.raises(StepError, match=r"^--on board:1: is silent; try --on board:2$"):
        measure_on_device(Board(lost=True), FILES, IMAGES, CONTEXT, rounds=2)


def test_a_device_that_cannot_do_it_is_refused() -> None:
    with pytest.raises(InputError, match=r"--on board:1: does not take \.onnx files"):
        check_device(Board(), ["tflite", "onnx"], CONTEXT)
    with pytest.raises(InputError, match="--threads: board:1 runs a file on one thread"):
        check_device(Board(), ["tflite"], replace(CONTEXT, threads=2))
    check_device(Board(), ["tflite"], CONTEXT)


def test_a_device_is_a_table_of_a_recipe() -> None:
    options = CompressOptions(
        data="digits", on="ssh://pi@host", python="python3.12", max_latency="9us"
    )
    recipe = options.to_recipe()
    assert recipe.settings.device == Ssh(host="ssh://pi@host", python="python3.12")
    assert recipe.gates.latency_machine is None
    assert parse_recipe(recipe.table(), "here") == recipe
    assert recipe.table()["device"]["host"] == "ssh://pi@host"
    assert "oneOf" in recipe_schema()["properties"]["device"]
    with pytest.raises(InputError, match=r"here, \[device\]: .*ssh://\[USER@\]HOST"):
        parse_recipe({**recipe.table(), "device": {"target": "ssh", "host": "-x"}}, "here")
    local = CompressOptions(data="digits", max_latency="9us").to_recipe()
    assert local.gates.latency_machine is not None
    assert "device" not in local.table()


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({"python": "python3"}, "--python: goes with --on"),
        ({"on": "bundle:x"}, "--on: bundle has no address"),
        ({"on": "sssh://pi"}, '--on: unknown target "sssh"'),
        ({"on": "qemu", "wheels": "w"}, "--wheels: qemu has no such option"),
    ],
)
def test_options_of_devices_that_do_not_fit_are_refused(given: dict[str, Any], found: str) -> None:
    for options in (BenchOptions(**given), ValidateOptions(paths=(Path("a.tflite"),), **given)):
        with pytest.raises(InputError) as caught:
            options.device()
        assert str(caught.value).startswith(found)
    with pytest.raises(InputError) as caught:
        CompressOptions(data="digits", **given).to_recipe()
    assert str(caught.value).startswith(found)


def test_kernels_are_for_this_machine() -> None:
    with pytest.raises(InputError, match="a device has its own kernels"):
        CompressOptions(data="digits", on="qemu", kernels="builtin").to_recipe()
