"""Files that answer, are refused, crash, hang and swell, each in a child process."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lite_converter import lite_converter
from onnx import TensorProto, helper, numpy_helper  # noqa: TID253  a test may take its time
from paths import HOSTILE, REPOSITORY

from edgecv.core.errors import InputError, RuntimeFailure
from edgecv.models.tf import load_tensorflow
from edgecv.system.isolation import ModelClient
from edgecv.system.isolation.deadline import MOST

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 4, 4, 1), dtype=np.uint8)
ENDLESS = 2**62
SLOW = 6_000


def write_onnx(path: Path, between: list[Any], constants: dict[str, Any]) -> Path:
    """Write image (n, 4, 4, 1) -> flat (n, 16) -> ``between`` -> answer (n, 16)."""
    constants = {"rows": np.array([-1, 16]), **constants}
    graph = helper.make_graph(
        [helper.make_node("Reshape", ["image", "rows"], ["flat"]), *between],
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 4, 4, 1])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, ["n", 16])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture
def good(tmp_path: Path) -> Path:
    """Return an ONNX file whose answer is the pixels over 255."""
    return write_onnx(
        tmp_path / "good.onnx",
        [helper.make_node("Div", ["flat", "most"], ["answer"])],
        {"most": np.float32(255)},
    )


def write_counting(path: Path, turns: int) -> Path:
    """Write an ONNX file that counts to ``turns`` before it answers."""
    scalar = [helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in "ab"]
    go_on = [helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("yes", "still")]
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["yes"], ["still"]),
            helper.make_node("Cos", ["a"], ["b"]),
        ],
        "body",
        [helper.make_tensor_value_info("turn", TensorProto.INT64, []), go_on[0], scalar[0]],
        [go_on[1], scalar[1]],
    )
    return write_onnx(
        path,
        [
            helper.make_node("ReduceMean", ["flat"], ["mean"], keepdims=0),
            helper.make_node("Loop", ["times", "true", "mean"], ["end"], body=body),
            helper.make_node("Add", ["flat", "end"], ["answer"]),
        ],
        {"times": np.int64(turns), "true": np.array(True)},
    )


@pytest.fixture
def hanging(tmp_path: Path) -> Path:
    return write_counting(tmp_path / "hanging.onnx", ENDLESS)


@pytest.fixture
def swelling(tmp_path: Path) -> Path:
    """Return a small ONNX file that asks for 8 GiB."""
    return write_onnx(
        tmp_path / "swelling.onnx",
        [
            helper.make_node("ConstantOfShape", ["length"], ["zeros"]),
            helper.make_node("ReduceMax", ["zeros"], ["most"], keepdims=0),
            helper.make_node("Add", ["flat", "most"], ["answer"]),
        ],
        {"length": np.array([2**31])},
    )


@pytest.fixture(scope="module")
def good_tflite(tmp_path_factory: pytest.TempPathFactory) -> Path:
    _, keras = load_tensorflow()
    keras.utils.set_random_seed(0)
    flatten = keras.layers.Flatten(input_shape=(4, 4, 1))
    model = keras.Sequential([flatten, keras.layers.Dense(3, activation="softmax")])
    path = tmp_path_factory.mktemp("tflite") / "good.tflite"
    path.write_bytes(lite_converter(model).convert())
    return path


@pytest.fixture
def worker() -> Iterator[ModelClient]:
    with ModelClient("onnxruntime", threads=1, time_limit_s=10) as started:
        yield started


def still_works(worker: ModelClient, good: Path) -> None:
    answers = worker.predict(good, IMAGES).only
    np.testing.assert_allclose(answers, IMAGES.reshape(40, 16) / np.float32(255), rtol=1e-6)


def is_gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


def shortly(action: Callable[[], None], seconds: float = 0.7) -> None:
    threading.Timer(seconds, action).start()


@pytest.mark.usefixtures("fresh_children")
def test_it_says_what_a_file_is_and_runs_it(worker: ModelClient, good: Path) -> None:
    facts = worker.open(good)
    assert (facts.input.name, facts.input.shape) == ("image", (-1, 4, 4, 1))
    assert (facts.output.name, facts.output.type) == ("answer", "float32")
    still_works(worker, good)


def test_images_come_from_a_file_too_and_progress_is_told(
    worker: ModelClient, good: Path, tmp_path: Path
) -> None:
    path = tmp_path / "images.npy"
    np.save(path, IMAGES)
    told: list[tuple[int, int]] = []
    answers = worker.predict(good, path, progress=lambda done, of: told.append((done, of))).only
    np.testing.assert_array_equal(answers, worker.predict(good, IMAGES).only)
    assert told[-1] == (40, 40)
    assert len(told) > 1


def test_a_file_that_changes_is_opened_again(worker: ModelClient, good: Path) -> None:
    still_works(worker, good)
    twice = helper.make_node("Add", ["flat", "flat"], ["answer"])
    write_onnx(good, [twice], {})
    np.testing.assert_array_equal(worker.predict(good, IMAGES).only, IMAGES.reshape(40, 16) * 2.0)


def test_an_unknown_runtime_is_refused_at_once() -> None:
    with pytest.raises(InputError, match=r'unknown runtime "lightrt".*did you mean "litert"'):
        ModelClient("lightrt", threads=1)


def test_a_refused_file_names_the_reason_on_one_line(
    worker: ModelClient, good: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad.onnx"
    bad.write_bytes(b"noise" * 50)
    for path, reason in ((bad, "refused it"), (tmp_path / "none.onnx", "No such file")):
        with pytest.raises(RuntimeFailure, match=reason) as caught:
            worker.predict(path, IMAGES)
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)
        still_works(worker, good)


def test_a_hang_is_ended(good: Path, hanging: Path) -> None:
    with ModelClient("onnxruntime", threads=1, time_limit_s=1.5) as worker:
        still_works(worker, good)
        pid = worker.pid
        began = time.monotonic()
        with pytest.raises(RuntimeFailure, match=r"did not answer within 1\.5 s while running it"):
            worker.predict(hanging, IMAGES)
        assert time.monotonic() - began < 2.5 + MOST * 1.5  # As it computes, others delay it.
        assert pid is not None
        assert is_gone(pid)
        still_works(worker, good)


def test_a_slow_prediction_is_not_a_hang(tmp_path: Path) -> None:
    slow = write_counting(tmp_path / "slow.onnx", SLOW)
    many = np.zeros((300, 4, 4, 1), np.uint8)
    with ModelClient("onnxruntime", threads=1, time_limit_s=1.0) as worker:
        began = time.monotonic()
        assert worker.predict(slow, many).only.shape == (300, 16)
        assert time.monotonic() - began > 1.0, "too quick to prove anything"


@pytest.mark.usefixtures("fresh_children")
def test_memory_is_limited(good: Path, swelling: Path) -> None:
    limit = 2 * 2**30
    with ModelClient("onnxruntime", threads=1, memory_limit_bytes=limit, time_limit_s=20) as worker:
        with pytest.raises(RuntimeFailure, match=r"needs more than 2\.0 GiB of memory"):
            worker.predict(swelling, IMAGES)
        still_works(worker, good)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGKILL])
def test_a_child_that_dies_half_way(
    number: signal.Signals, worker: ModelClient, good: Path, hanging: Path
) -> None:
    worker.open(hanging)
    assert worker.pid is not None
    shortly(lambda pid=worker.pid: os.kill(pid, number))  # type: ignore[misc]
    with pytest.raises(RuntimeFailure, match=f"died of {number.name} while running it"):
        worker.predict(hanging, IMAGES)
    still_works(worker, good)


def test_a_file_is_not_blamed_for_what_an_earlier_one_did(worker: ModelClient, good: Path) -> None:
    other = good.with_name("other.onnx")
    other.write_bytes(good.read_bytes())
    still_works(worker, good)
    assert worker.pid is not None
    os.kill(worker.pid, signal.SIGSEGV)
    still_works(worker, other)


@pytest.mark.usefixtures("fresh_children")
def test_an_interrupt_ends_the_child_and_goes_on(
    worker: ModelClient, good: Path, hanging: Path
) -> None:
    pid = worker.pid
    assert pid is not None
    shortly(lambda: os.kill(os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        worker.predict(hanging, IMAGES)
    assert is_gone(pid)
    still_works(worker, good)


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_no_child_survives_its_parent(
    busy: bool, good: Path, hanging: Path, tmp_path: Path
) -> None:
    program = f"""
        import os, signal, sys, threading, time
        from pathlib import Path
        import numpy as np
        from edgecv.system.isolation import ModelClient
        worker = ModelClient("onnxruntime", threads=1)
        worker.open(Path({str(good)!r}))
        print(worker.pid, flush=True)
        def die(): time.sleep(0.5); os.kill(os.getpid(), signal.SIGKILL)
        threading.Thread(target=die).start()
        if {busy}: worker.predict(Path({str(hanging)!r}), np.zeros((1, 4, 4, 1), np.uint8)).only
        time.sleep(60)
    """
    parent = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        stdout=subprocess.PIPE,
        cwd=REPOSITORY,
        env={**os.environ, "TMPDIR": str(tmp_path)},  # nobody is left to empty its folder
        timeout=30,
        check=False,
    )
    assert parent.returncode == -signal.SIGKILL
    pid = int(parent.stdout)
    wait_until(lambda: is_gone(pid))


@pytest.mark.usefixtures("fresh_children")
def test_closing_leaves_nothing_behind(good: Path) -> None:
    with ModelClient("onnxruntime", threads=1) as worker:
        still_works(worker, good)
        pid, folder = worker.pid, Path(worker._folder.name)
        assert list(folder.glob("*.npy"))
    assert pid is not None
    assert is_gone(pid)
    assert not folder.exists()


@pytest.mark.usefixtures("fresh_children")
@pytest.mark.parametrize("runtime", ["litert", "onnxruntime"])
def test_the_child_has_no_tensorflow(runtime: str, good: Path, good_tflite: Path) -> None:
    path = good_tflite if runtime == "litert" else good
    with ModelClient(runtime, threads=1) as worker:
        worker.time_interleaved([path], IMAGES[:1], budget_s=0.01)
        mapped = Path(f"/proc/{worker.pid}/maps").read_text()
    library = "ai_edge_litert" if runtime == "litert" else "onnxruntime"
    assert f"/{library}/" in mapped
    assert "/tensorflow/" not in mapped


@pytest.mark.usefixtures("fresh_children")
def test_the_working_directory_cannot_replace_a_library(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('not numpy')")
    monkeypatch.chdir(tmp_path)
    with ModelClient("onnxruntime", threads=1) as worker:
        still_works(worker, good)


def test_native_words_go_to_the_log(
    good: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = """
        import os, sys
        sys.path.insert(0, sys.argv[2])
        from edgecv.system.isolation import model_server as child
        quiet = child.ModelServer.predict
        def loud(*arguments, **named):
            os.write(1, b"native words")
            return quiet(*arguments, **named)
        child.ModelServer.predict = loud
        child.main()
    """
    monkeypatch.setattr("edgecv.system.isolation.process.PROGRAM", textwrap.dedent(program))
    log = tmp_path / "native.log"
    with ModelClient("onnxruntime", threads=1, log=log) as worker:
        still_works(worker, good)
    assert "native words" in log.read_text()


def test_times_come_in_blocks(worker: ModelClient, good: Path, good_tflite: Path) -> None:
    slow = write_onnx(
        good.with_name("slow.onnx"),
        [
            helper.make_node("Expand", ["flat", "wide"], ["many"]),
            helper.make_node("MatMul", ["many", "turned"], ["product"]),
            helper.make_node("ReduceMax", ["product", "first"], ["answer"], keepdims=0),
        ],
        {
            "wide": np.array([20_000, 1, 16]),
            "turned": np.ones((16, 16), np.float32),
            "first": np.array([0]),
        },
    )
    began = time.monotonic()
    blocks = worker.time_interleaved([good, slow], IMAGES[:1], budget_s=0.2)
    assert time.monotonic() - began < 10
    assert list(blocks) == [good, slow]
    assert {each.dtype for each in blocks.values()} == {np.dtype(np.int64)}
    assert all(each.shape[0] >= 10 and each.min() > 0 for each in blocks.values())
    assert np.median(blocks[slow]) > 5 * np.median(blocks[good])
    assert blocks[good].shape[1] > blocks[slow].shape[1]


def test_a_file_that_cannot_be_timed_is_named(
    worker: ModelClient, good: Path, hanging: Path, tmp_path: Path
) -> None:
    missing = tmp_path / "none.onnx"
    with pytest.raises(RuntimeFailure, match=r"none\.onnx: cannot be read"):
        worker.time_interleaved([good, missing], IMAGES[:1], budget_s=0.1)
    with (
        ModelClient("onnxruntime", threads=1, time_limit_s=1) as impatient,
        pytest.raises(RuntimeFailure, match=r"hanging\.onnx: .* while warming it up"),
    ):
        impatient.time_interleaved([good, hanging], IMAGES[:1], budget_s=0.1)


def opened_and_run(worker: ModelClient, path: Path) -> str:
    try:
        shape = worker.open(path).input.shape[1:]
        answers = worker.predict(path, np.zeros((2, *shape), np.uint8)).only
    except RuntimeFailure as failure:
        return str(failure)
    return f"{path}: answered {answers.shape}"


@pytest.mark.parametrize(("runtime", "suffix"), [("litert", "tflite"), ("onnxruntime", "onnx")])
def test_every_hostile_file_costs_one_line_and_nothing_else(
    runtime: str, suffix: str, good: Path, good_tflite: Path
) -> None:
    paths = sorted(HOSTILE.glob(f"*.{suffix}"))
    if not paths:
        pytest.skip(f"needs {HOSTILE}, which is not part of the project")
    kind = good_tflite if runtime == "litert" else good
    with ModelClient(runtime, threads=1, time_limit_s=10) as worker:
        for path in paths:
            began = time.monotonic()
            said = opened_and_run(worker, path)
            assert said.startswith(f"{path}: ")
            assert "\n" not in said
            assert time.monotonic() - began < 25
            assert worker.predict(kind, IMAGES).only.shape[0] == 40
