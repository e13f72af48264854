"""What kills, hangs or bloats a converter is one line, and the run goes on with the others."""

import math
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import InputError, RuntimeFailure, StepError
from edgecv.core.output_shape import OutputShape
from edgecv.core.preprocessing import NAMED
from edgecv.evaluation.gates import exit_code
from edgecv.formats.model_file import ModelFile
from edgecv.formats.onnx.adapt import Ends
from edgecv.formats.tflite.exporter import TFLite
from edgecv.formats.trust import NO_TRUST, Trust
from edgecv.pipeline.conversion import Converter, process_pool, server
from edgecv.pipeline.conversion import client as parent
from edgecv.pipeline.recipe.recipe import parse_recipe
from edgecv.system.isolation.process import ChildProcess
from edgecv.system.storage import Store

SHAPE = (20, 20, 1)
PIXELS = np.random.default_rng(0).integers(0, 256, (12, *SHAPE), dtype=np.uint8)
INT8, FLOAT32 = TFLite(precision="int8"), TFLite(precision="float32")
LAYERS = '''
import inspect, os, re, signal
import numpy as np
import tensorflow as tf
from tensorflow import keras

def is_converted():
    return any(frame.function == "_convert" for frame in inspect.stack(0))

class Deadly(keras.layers.Layer):
    """Of large numbers it is infinite on the way: TensorFlow's converter dies of that as int8."""
    def call(self, x):
        return tf.nn.selu(x * 50)

class Greedy(keras.layers.Layer):
    def call(self, x):
        if is_converted():
            np.ones(2**37, np.uint8)
        return x * 1.0

class Busy(keras.layers.Layer):
    @classmethod
    def from_config(cls, config):
        open("busy", "w").close()
        re.match("(a+)+b", "a" * 40)

class Fatal(keras.layers.Layer):
    @classmethod
    def from_config(cls, config):
        os.kill(os.getpid(), signal.SIGSEGV)
'''


def write_model(path: Path, layer: Any = None) -> Path:
    """Write a network of a few layers, with one of its own where asked."""
    from edgecv.models.tf import keras_bytes, load_tensorflow, set_seed

    _, keras = load_tensorflow()
    set_seed(0)
    layers = keras.layers
    own = [] if layer is None else [layer]
    model = keras.Sequential(
        [layers.InputLayer(SHAPE), layers.Conv2D(4, 3, strides=2, name="conv"), *own,
         layers.GlobalAveragePooling2D(), layers.Dense(10), layers.Softmax()]
    )  # fmt: skip
    path.write_bytes(keras_bytes(model))
    return path


@pytest.fixture
def own_layers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the module of LAYERS, which lies in the working directory."""
    (tmp_path / "hostile_layers.py").write_text(LAYERS)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "hostile_layers", raising=False)
    import importlib

    from edgecv.models.tf import load_tensorflow

    load_tensorflow()
    return importlib.import_module("hostile_layers")


def test_a_converter_that_dies_ends_its_artifact_and_not_the_run(
    own_layers: Any, tmp_path: Path
) -> None:
    from edgecv.pipeline.run import run

    recipe = parse_recipe(
        {
            "name": "deadly",
            "data": {"source": "digits"},
            "baseline": {
                "model": str(write_model(tmp_path / "deadly.keras", own_layers.Deadly())),
                "custom_objects": ["hostile_layers:Deadly"],
            },
            "export": [
                {"format": "tflite", "precision": "int8"},
                {"format": "tflite", "precision": "float16"},
            ],
        },
        "test",
    )
    store = Store(tmp_path / "exported")
    report = run(recipe, store)
    (gate,) = [gate for gate in report.gates if gate.name == "runs"]
    assert gate.artifact == "int8.tflite"
    assert "TensorFlow died of SIGSEGV while converting it" in gate.reason
    assert "scale out of expressed type range" in gate.reason
    assert "choose another format or precision" in gate.reason
    assert gate.reason.count("\n") == 0
    assert exit_code(report.gates) == 3
    measured = {each.artifact.path for each in report.comparisons}
    assert measured == {"float32.tflite", "float16.tflite"}
    assert not (store.run_folder("deadly") / "int8.tflite").exists()


def test_a_model_that_kills_whoever_loads_it_is_refused(own_layers: Any, tmp_path: Path) -> None:
    from edgecv.pipeline.recipe.from_flags import CompressOptions
    from edgecv.pipeline.run import run

    path = write_model(tmp_path / "fatal.keras", own_layers.Fatal())
    recipe = CompressOptions(
        model=str(path), data="digits", custom_objects=("hostile_layers:Fatal",)
    )
    with pytest.raises(InputError) as caught:
        run(recipe.to_recipe(), Store(tmp_path / "exported"))
    assert str(caught.value) == (
        f"{path}: TensorFlow died of SIGSEGV while opening it; "
        "the file is damaged or hostile: save the model again"
    )
    assert not (tmp_path / "exported").exists()


def test_a_conversion_that_eats_memory_is_ended(own_layers: Any, tmp_path: Path) -> None:
    path = write_model(tmp_path / "greedy.keras", own_layers.Greedy())
    source = ModelFile(path, "", Trust(custom_objects=("hostile_layers:Greedy",)))
    converter = Converter()
    try:
        with pytest.raises(RuntimeFailure, match=r"needs more than 8\.0 GiB of memory while conv"):
            converter.export(source, FLOAT32, PIXELS[:0], tmp_path / "a.tflite")
        assert converter.pid is None
    finally:
        converter.close()
    assert not (tmp_path / "a.tflite").exists()


def test_what_an_exporter_or_importer_refuses_arrives_as_it_was_raised(tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.keras")
    converter = Converter()
    try:
        with pytest.raises(StepError) as caught:
            converter.export(ModelFile(path, ""), INT8, PIXELS[:0], tmp_path / "a.tflite")
        assert caught.value.where == "a.tflite"
        assert caught.value.found.startswith("there are no images to find the ranges")
        assert caught.value.remedy.startswith("give calibration images")
        of_others = PIXELS[:, :8, :8]
        with pytest.raises(StepError) as caught:
            converter.export(ModelFile(path, ""), INT8, of_others, tmp_path / "a.tflite")
        assert caught.value.accepted == "uint8 [images, 20, 20, 1], as the model takes them"
        pid = converter.pid
        noise = tmp_path / "noise.keras"
        noise.write_bytes(b"PK\x03\x04" + bytes(100))
        with pytest.raises(InputError, match=r"noise\.keras: is a damaged Keras file"):
            converter.count(ModelFile(noise, ""))
        artifact = converter.export(ModelFile(path, ""), INT8, PIXELS, tmp_path / "a.tflite")
        assert converter.pid == pid, "a child that behaved goes on"
    finally:
        converter.close()
    direct = tmp_path / "direct" / "a.tflite"
    direct.parent.mkdir()
    from edgecv.formats.keras.importer import load

    assert INT8.export(load(path), PIXELS, direct) == artifact
    assert direct.read_bytes() == (tmp_path / "a.tflite").read_bytes()


class Parent:
    """The parent of a server, which waits for no answer."""

    memory = None

    def stage(self, doing: str) -> None:
        """Hear what the server does."""


def test_a_model_that_was_adopted_is_not_loaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look at its pixels follows; Keras 3 takes seconds to compare a model with its original."""
    path, other = write_model(tmp_path / "a.keras"), write_model(tmp_path / "b.keras")
    conversions = server.ConversionServer(Parent())  # type: ignore[arg-type]
    conversions.adopt(path, NO_TRUST, str(tmp_path), None, is_trained=False)
    monkeypatch.setattr(server, "importer_of", lambda path: pytest.fail(f"{path} was loaded"))
    assert conversions.count(path, NO_TRUST)
    with pytest.raises(pytest.fail.Exception, match=r"b\.keras was loaded"):
        conversions.count(other, NO_TRUST)


def test_a_child_has_limits_and_is_kept_for_the_next_run(tmp_path: Path) -> None:
    source = ModelFile(write_model(tmp_path / "model.keras"), "")
    first = Converter()
    assert first.count(source).parameters == 90
    pid = first.pid
    lines = Path(f"/proc/{pid}/limits").read_text().splitlines()
    limits = {line[:26].strip(): line[26:47].strip() for line in lines}
    assert limits["Max core file size"] == "0"
    assert 2**30 < int(limits["Max file size"]) < 2**31
    assert 2**33 < int(limits["Max address space"]) < 2**36
    first.close()
    second = Converter()
    second.start()
    assert second.pid == pid
    third = Converter()
    third.start()
    assert third.pid != pid
    for each in (second, third):
        each.close()
    process_pool.end_kept()
    assert not Path(f"/proc/{pid}").exists()


def test_a_child_with_nothing_to_do_ends_and_another_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process_pool.end_kept()
    monkeypatch.setattr(process_pool, "IDLE_S", 0.1)
    converter = Converter()
    converter.start()
    first = converter._child
    assert first is not None
    assert first.process.wait(timeout=60) == 0
    monkeypatch.setattr(ChildProcess, "is_alive", True)  # It went just now.
    source = ModelFile(write_model(tmp_path / "model.keras"), "")
    monkeypatch.setattr(process_pool, "IDLE_S", 60.0)
    assert converter.count(source).parameters == 90
    assert converter.pid != first.process.pid
    converter.close()


LIBRARIES = ("tensorflow", "tf_keras", "tf2onnx", "onnx", "onnxruntime", "ai_edge_litert")


def test_a_run_itself_imports_no_library_that_opens_models(main_report: Any, output: Path) -> None:
    """Where nothing is trained, children do it all: for a stored baseline, a user's Keras model,
    and one in ONNX."""
    main = output / "main"
    program = (
        "import sys; from edgecv import compress; from edgecv.pipeline import timed_files\n"
        "timed_files.PROCESSES, timed_files.SECONDS_A_FILE = 1, 0.05\n"
        f"given = {{'data': 'digits', 'output': {str(output)!r}, 'formats': 'onnx'}}\n"
        "compress(epochs=3, name='itself-1', **given)\n"
        f"for name in ('baseline.keras', 'float32.onnx'):\n"
        f"    compress({str(main)!r} + '/' + name, name='itself-' + name, **given)\n"
        f"print([name for name in {LIBRARIES!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1:] == ["[]"], done.stderr
    assert (output / "itself-float32.onnx" / "int8.onnx").exists()


PROGRAM = """
import os, signal, sys, time
sys.path.insert(0, sys.argv[2])
from edgecv.system.isolation.protocol import *
def say(**header): write_all(1, pack(header))
def hear(): unpack(lambda count: read_exactly(0, count))
"""
READY = "say(kind='ready'); hear(); say(kind='stage', doing='converting it', index=0); "
DEATHS = {
    "sys.stderr.write('oh no')": "could not start: ended with status 0 oh no",
    "say(kind='failure', error='StepError', where='tensorflow', found='cannot be loaded')":
        "tensorflow: cannot be loaded",
    "say(kind='failure', error='SystemExit', found='x')": "could not start: an error of kind",
    READY + "time.sleep(60)":
        "a.tflite: TensorFlow did not answer within 1 s while converting it; choose another",
    READY + "[(say(kind='progress', done=0), time.sleep(0.1)) for _ in range(600)]":
        "a.tflite: TensorFlow did not answer within 2 s while converting it",
    READY + "sys.stderr.write('LLVM ERROR'); sys.stderr.flush(); os.abort()":
        "a.tflite: TensorFlow died of SIGABRT while converting it: LLVM ERROR; choose another",
    READY + "os.kill(os.getpid(), signal.SIGKILL)": "TensorFlow died of SIGKILL while converting",
    READY + "os._exit(7)": "TensorFlow ended with status 7 while converting it",
    READY + "os.write(1, b'hello ' * 20)": "TensorFlow answered nonsense while converting it",
    READY + "say(kind='failure', error='SystemExit', found='x')": "nonsense while converting it",
    READY + "say(kind='failure', error='StepError', where='a', found='x\\x1b[2J\\ny')":
        "a: x?[2J y",
    READY + "say(kind='answer'); hear()": "artifact.json",
}  # fmt: skip


@pytest.mark.parametrize("program", DEATHS)
def test_a_child_that_dies_hangs_or_lies_is_one_line(
    program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process_pool.end_kept()
    monkeypatch.setattr("edgecv.system.isolation.process.PROGRAM", PROGRAM + program)
    monkeypatch.setattr(parent, "SILENCE_S", 1.0)
    monkeypatch.setattr(parent, "LONGEST_S", 2.0)
    log = tmp_path / "log.txt"
    converter = Converter(log)
    with pytest.raises((RuntimeFailure, StepError, InputError)) as caught:
        converter.export(ModelFile(Path("model.keras"), ""), FLOAT32, PIXELS, tmp_path / "a.tflite")
    assert DEATHS[program] in str(caught.value)
    assert "\n" not in str(caught.value)
    if "LLVM" in program:
        assert "LLVM ERROR" in log.read_text()
    converter.close()
    process_pool.end_kept()


def test_an_onnx_file_that_kills_whoever_adapts_it_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process_pool.end_kept()
    monkeypatch.setattr(
        "edgecv.system.isolation.process.PROGRAM",
        PROGRAM + READY.replace("converting", "adapting") + "os.abort()",
    )
    ends = Ends(
        shape=SHAPE, outputs=(OutputShape(name="o", shape=(10,)),), axes="NCHW", batch=-1,
        run_shapes=((1, 10),),
        is_classifier=True, activation="Softmax",
        preprocess=NAMED["imagenet"],
    )  # fmt: skip
    converter = Converter()
    with pytest.raises(RuntimeFailure, match=r"a\.onnx: TensorFlow died of SIGABRT while adapting"):
        converter.adapt_onnx(ModelFile(tmp_path / "a.onnx", ""), ends, tmp_path / "b.onnx")
    converter.close()
    process_pool.end_kept()


def test_the_verdict_on_a_model_is_that_of_a_child_which_has_seen_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second request kills a child that served another; a fresh one serves it."""
    process_pool.end_kept()
    count = tmp_path / "count"
    count.write_text("")
    program = READY.replace("converting it", "running it") + (
        f"path = {str(count)!r}; open(path, 'a').write('x'); "
        "answer = lambda: write_all(1, pack({'kind': 'answer', 'parameters': 1, 'names': ['o'], "
        "'shapes': [[2]]}, "
        "[np.zeros((12, 2), np.float32)])); answer(); hear(); os.abort()"
    )
    monkeypatch.setattr(
        "edgecv.system.isolation.process.PROGRAM", PROGRAM + "import numpy as np\n" + program
    )
    converter = Converter()
    for model in ("one.keras", "two.keras"):
        assert converter.predict(ModelFile(Path(model), ""), PIXELS)[1] == 1
    assert count.read_text() == "xx"
    converter.close()
    process_pool.end_kept()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interruption_leaves_no_child(tmp_path: Path, number: signal.Signals) -> None:
    path = write_model(tmp_path / "model.keras")
    process = subprocess.Popen(
        [sys.executable, "-m", "edgecv", "compress", str(path), "--data", "digits"],
        cwd=tmp_path, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end = time.monotonic() + 60
    while not (children := converters_of(process.pid)) and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(number)
    _, error = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in error
    for child in children:
        while os.path.exists(f"/proc/{child}") and time.monotonic() < end:
            time.sleep(0.02)
        assert not os.path.exists(f"/proc/{child}")
    assert not (tmp_path / "exported" / "model").exists()


def test_a_child_that_is_busy_dies_with_its_parent(own_layers: Any, tmp_path: Path) -> None:
    """Native code that never lets go of the interpreter, and a parent that is killed."""
    path = write_model(tmp_path / "busy.keras", own_layers.Busy())
    program = (
        "from edgecv.formats.model_file import ModelFile; from edgecv.formats.trust import Trust;"
        "from edgecv.pipeline.conversion import Converter; from pathlib import Path;"
        "trust = Trust(custom_objects=('hostile_layers:Busy',));"
        f"Converter().count(ModelFile(Path({str(path)!r}), '', trust))"
    )
    parent_process = subprocess.Popen([sys.executable, "-c", program])
    end = time.monotonic() + 60
    while not (tmp_path / "busy").exists() and time.monotonic() < end:
        time.sleep(0.05)
    (child,) = converters_of(parent_process.pid)
    parent_process.kill()
    parent_process.wait()
    end = time.monotonic() + 20
    while is_running(child) and time.monotonic() < end:
        time.sleep(0.05)
    assert not is_running(child)


def is_running(pid: int) -> bool:
    """Tell whether a process computes still: one that nobody waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def converters_of(pid: int) -> list[int]:
    """Return the children of a process that convert."""
    try:
        pids = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        return [
            int(each)
            for each in pids
            if b"edgecv.pipeline.conversion" in Path(f"/proc/{each}/cmdline").read_bytes()
        ]
    except OSError:
        return []


@pytest.mark.quick
def test_a_prediction_may_take_any_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """After an hour the predictions of a large model were lost, and the next try ended alike."""
    asked: dict[str, float] = {}

    def noted(self: Converter, request: Any, start: Any) -> Any:
        asked[request.action] = request.longest_s
        return ()

    monkeypatch.setattr(Converter, "_ask", noted)
    with closing(Converter()) as converter:
        converter.predict(ModelFile(Path("m.keras"), ""), PIXELS)
        converter.count(ModelFile(Path("m.keras"), ""))
    assert asked == {"predict": math.inf, "count": parent.LONGEST_S}
