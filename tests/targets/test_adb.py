"""An Android device that a program called adb stands for: no real one was connected here."""

import sys
from pathlib import Path
from typing import Any

import pytest

from edgecv.analysis.options import DeployOptions, deploy
from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext, DeployedFile
from edgecv.core.report import Report
from edgecv.targets.adb import client as calls
from edgecv.targets.adb.report import mean_ns, memory_bytes
from edgecv.targets.adb.target import Adb

ADB = r"""#!/bin/sh
# A device whose /data/local/tmp is a folder of this machine.
root="$(dirname "$0")/root"
if [ "$1" = -s ]; then
  [ "$2" = phone-1 ] || { echo "adb: device '$2' not found" >&2; exit 1; }
  shift 2
fi
[ -e "$root/fails" ] && { cat "$root/fails" >&2; exit 1; }
there() { printf %s "$1" | sed "s#/data/local/tmp#$root#g"; }
getprop() { echo "A phone"; }
case "$1" in
  shell) [ -e "$root/silent" ] && exec sleep 60; eval "$(there "$2")" ;;
  exec-out) [ -e "$root/short" ] && { echo no; exit; }; eval "$(there "$2")" ;;
  push) cp "$2" "$(there "$3")" ;;
esac
"""
BENCHMARK_MODEL = f"""#!{sys.executable}
import sys
flags = dict(each.lstrip("-").split("=") for each in sys.argv[1:] if "=" in each)
if not flags:
    sys.exit(print("--output_filepath= string optional") or 1)
if "output_filepath" in flags:
    import numpy as np
    from ai_edge_litert.interpreter import Interpreter
    model = Interpreter(flags["graph"])
    (taken,) = model.get_input_details()
    shape = [int(side) for side in flags["input_layer_shape"].split(",")]
    model.resize_tensor_input(taken["index"], shape)
    model.allocate_tensors()
    name, path = flags["input_layer_value_files"].split(":")
    assert name == flags["input_layer"]
    model.set_tensor(taken["index"], np.fromfile(path, taken["dtype"]).reshape(shape))
    model.invoke()
    with open(flags["output_filepath"], "wb") as file:
        for each in model.get_output_details():
            file.write(model.get_tensor(each["index"]).tobytes())
print("INFO: count=50 first=150 curr=130 min=120 max=160 avg=135.5 std=4 p5=121 median=133 p95=150")
print("INFO: Inference timings in us: Init: 900, First inference: 150, Warmup (avg): 140.2,"
      " Inference (avg): 135.5")
print("INFO: Memory footprint delta from the start of the tool (MB): init=1.5 overall=2.25")
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder that is the device's, with adb on the PATH."""
    (tmp_path / "root").mkdir()
    for name, text in (("adb", ADB), ("benchmark_model", BENCHMARK_MODEL)):
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    return tmp_path / "root"


def target(root: Path, **options: Any) -> Adb:
    return Adb(**{"benchmark_model": str(root.parent / "benchmark_model"), **options})


def failure(root: Path, file: DeployedFile, context: DeployContext, **options: Any) -> str:
    """Return the sentence that a deployment ends with."""
    there, folder = target(root, **options), root.parent / "built"
    folder.mkdir(exist_ok=True)
    there.build(file, folder)
    with pytest.raises(StepError) as failed, there.open(file, folder, context) as device:
        device.predict(file.golden)
    return str(failed.value)


def test_the_device_is_a_row_with_the_answers_of_this_machine(
    root: Path, output: Path, main_report: Report, tmp_path: Path
) -> None:
    report = deploy(
        DeployOptions(
            paths=(output / "main",), to="adb:phone-1", images=3, out=tmp_path / "deployed",
            benchmark_model=str(tmp_path / "benchmark_model"),
        )
    )  # fmt: skip
    assert report.outcome == "passed"
    there, found = report.comparisons[-1], report.deployment
    assert there.runtime == "benchmark_model, A phone, Android A phone, A phone"
    assert there.latency is not None
    assert there.latency.median_us == 135.5
    assert found is not None
    assert found.equal_outputs == found.images == 3
    assert found.memory_bytes == round(2.25 * 2**20)
    assert not list(root.iterdir()), "nothing is left there"


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("adb: device unauthorized.", "does not trust this machine"),
        ("adb: no devices/emulators found", "connect one with USB debugging on"),
        ("adb: more than one device/emulator", "--to adb:SERIAL"),
        ("\x1b[31m", "ends with status 1: ?[31m"),
    ],
)
def test_what_adb_refuses_is_one_sentence(
    root: Path, answered: tuple[DeployedFile, Any], context: DeployContext, said: str, found: str
) -> None:
    (root / "fails").write_text(said)
    assert found in failure(root, answered[0], context)


def test_another_device_silence_and_short_answers_are_one_sentence(
    root: Path,
    answered: tuple[DeployedFile, Any],
    context: DeployContext,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    file, _ = answered
    assert "is not connected" in failure(root, file, context, serial="phone-2")
    (root / "short").touch()
    assert "gives 3 bytes of outputs, not 20" in failure(root, file, context)
    assert {each.name for each in root.iterdir()} == {"short"}
    (root / "silent").touch()
    monkeypatch.setattr(calls.AdbClient.shell, "__defaults__", (0.2,))
    assert "gives no answer within 0.2 s" in failure(root, file, context)


def test_a_program_that_fails_or_gives_no_outputs_is_one_sentence(
    root: Path, answered: tuple[DeployedFile, Any], context: DeployContext
) -> None:
    program = root.parent / "benchmark_model"
    program.write_text("#!/bin/sh\necho --graph")
    assert "it has no --output_filepath" in failure(root, answered[0], context)
    program.write_text("#!/bin/sh\necho ERROR: Failed to load model --output_filepath; exit 1")
    assert "ERROR: Failed to load model" in failure(root, answered[0], context)
    program.write_text('#!/bin/sh\necho --output_filepath; rm -r "$PWD"; exit 1')
    assert not list(root.iterdir())


@pytest.mark.parametrize(
    ("printed", "status"),
    [
        ("./benchmark_model: not executable: 64-bit ELF file", 126),
        ("./benchmark_model: not found", 127),
        ('CANNOT LINK EXECUTABLE "./benchmark_model": library "libEGL.so" not found', 1),
    ],
)
def test_a_program_for_another_processor_is_not_called_an_old_one(
    root: Path,
    answered: tuple[DeployedFile, Any],
    context: DeployContext,
    printed: str,
    status: int,
) -> None:
    program = root.parent / "benchmark_model"
    program.write_text(f"#!/bin/sh\necho '{printed}' >&2; exit {status}")
    said = failure(root, answered[0], context)
    assert f"benchmark_model does not start: {printed}" in said
    assert "one that is built for the device: A phone" in said
    assert "newer" not in said


def test_a_program_that_is_not_found_is_no_missing_device(
    root: Path, answered: tuple[DeployedFile, Any], context: DeployContext
) -> None:
    program = root.parent / "benchmark_model"
    program.write_text("#!/bin/sh\necho --output_filepath; echo dd: not found; exit 127")
    said = failure(root, answered[0], context)
    assert "dd: not found" in said
    assert "is not connected" not in said


def test_an_interruption_is_not_hidden_by_what_stays_there(
    root: Path, answered: tuple[DeployedFile, Any]
) -> None:
    said: list[str] = []
    context = DeployContext(lambda stage, message: said.append(message))
    there, folder = target(root, serial="phone-1"), root.parent / "built"
    folder.mkdir()
    there.build(answered[0], folder)
    with pytest.raises(KeyboardInterrupt), there.open(answered[0], folder, context):
        (root / "fails").write_text("adb: device offline")
        raise KeyboardInterrupt
    assert "is left on the device: is offline" in said[-1]
    assert "adb -s phone-1 shell rm -rf /data/local/tmp/edgecv-" in said[-1]


def test_what_stays_there_is_named(
    root: Path, answered: tuple[DeployedFile, Any], context: DeployContext
) -> None:
    program = root.parent / "benchmark_model"
    program.write_text(
        f"#!/bin/sh\necho unauthorized >{root}/fails; echo --output_filepath; exit 1"
    )
    said = failure(root, answered[0], context)
    assert "is left on the device: does not trust this machine" in said
    assert "adb shell rm -rf /data/local/tmp/edgecv-" in said


def test_what_is_missing_is_refused_before_anything_is_sent(
    root: Path, answered: tuple[DeployedFile, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    file, _ = answered
    target(root).check(file, None)
    for given, found in (("", "is needed"), ("/none", "there is no file /none")):
        with pytest.raises(InputError, match=found):
            target(root, benchmark_model=given).check(file, None)
    monkeypatch.setenv("PATH", "/none")
    with pytest.raises(InputError, match="apt-get install adb"):
        target(root).check(file, None)


def test_reports_of_all_versions_are_read() -> None:
    new = "Peak memory footprint (MB): init=4.9 overall=138.5"
    assert memory_bytes(new) == round(138.5 * 2**20)
    assert mean_ns("Inference timings in us: Init: 1, Inference (avg): 2.66e+05") == 266_000_000
    for text in ("", "Inference timings in us: Inference (avg): 0", "Inference (avg): 1.2.3"):
        assert mean_ns(text) is None
    assert mean_ns("Inference timings in us: Inference (avg): 9e999") is None
