"""What a worker is made of: frames that may lie, children that do, and timed blocks."""

import errno
import gc
import io
import json
import os
import platform
import struct
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgecv.core.errors import RuntimeFailure
from edgecv.system.isolation import ModelClient
from edgecv.system.isolation.amx import machine_has_tiles
from edgecv.system.isolation.deadline import MOST, Deadline
from edgecv.system.isolation.frame_parts import FrameParts
from edgecv.system.isolation.protocol import MAGIC, Frame, MalformedFrame, pack, unpack
from edgecv.system.isolation.server import ActionServer
from edgecv.system.isolation.timing import LONGEST_WARM_UP_S, interleave, runs_a_block, warm_up

IMAGES = np.zeros((5, 4, 4, 1), np.uint8)


def frame(header: Any, data: bytes = b"") -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack(">8sI", MAGIC, len(text)) + text + data


def described(kind: Any, shape: Any) -> dict[str, Any]:
    return {"arrays": [{"type": kind, "shape": shape}]}


def test_a_frame_comes_back_as_it_went() -> None:
    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.zeros((0, 4), np.int64)]
    header, back = unpack(io.BytesIO(pack({"kind": "answer", "n": 1}, arrays)).read)
    assert header == {"kind": "answer", "n": 1}
    for sent, received in zip(arrays, back, strict=True):
        assert sent.dtype == received.dtype
        np.testing.assert_array_equal(sent, received)


@pytest.mark.parametrize(
    "data",
    [
        b"hello, world",
        struct.pack(">8sI", MAGIC, 2**31),
        frame(b"\xff\xfe"),
        frame(b"[" * 100_000),
        frame([]),
        frame({}),
        frame({"arrays": 3}),
        frame({"arrays": [3]}),
        frame({"arrays": [{}] * 2000}),
        frame(described("object", [1])),
        frame(described(["float32"], [1])),
        frame(described("float32", [-1])),
        frame(described("float32", [True])),
        frame(described("float32", ["1"])),
        frame(described("float32", [2**30])),
        frame(described("float32", [2**29, 2**29])),
        frame(described("float32", [1] * 40)),
    ],
)
def test_garbage_is_told_from_a_frame(data: bytes) -> None:
    with pytest.raises(MalformedFrame):
        unpack(io.BytesIO(data).read)


START = """
import os, sys, time
sys.path.insert(0, sys.argv[2])
from edgecv.system.isolation.protocol import *
def say(*frame): write_all(1, pack(*frame))
ONE = {'kind': 'answer', 'names': ['o'], 'shapes': [[2]]}
TWO = {'kind': 'answer', 'names': ['o', 'o'], 'shapes': [[2], [2]]}
"""
READY = "say({'kind': 'ready'}); "
LIES = {
    "print('hello ' * 100)": "could not start: starts with b'hello",
    "raise SystemExit(3)": "could not start: ended with status 3",
    "import nothing_like_that": "could not start: .*No module named 'nothing_like_that'",
    "say({'kind': 'answer'})": "could not start: sent 'answer'",
    READY + "print('x' * 100, flush=True); time.sleep(9)": "answered nonsense",
    READY + "say({'kind': 'riddle'}); time.sleep(9)": "kind 'riddle'",
    READY + "say({'kind': 'answer'}); time.sleep(9)": "no outputs",
    READY + "say(ONE, [])": "outputs: 0, names: 1",
    READY + "say(ONE, [np.zeros((5, 2), np.int64)])": r"an output of int64 \(5, 2\)",
    READY + "say(ONE, [np.zeros((4, 2), np.float32)])": r"an output of float32 \(4, 2\)",
    READY + "say(ONE | {'names': [1]}, [np.zeros((5, 2), np.float32)])": "without a name",
    READY + "say(ONE | {'shapes': [[True, 2]]}, [np.zeros((5, 2), np.float32)])": "an output of",
    READY + "say(TWO, 2 * [np.zeros((5, 2), np.float32)])": "two outputs of the same name",
    READY + "say({'kind': 'part'}, [np.zeros((0, 2), np.float32)])": "a part of no rows",
    READY
    + "say({'kind': 'part'}, [np.zeros((2, 2), np.float32)]); "
    + "say(ONE, [np.zeros((3, 4), np.float32)])": "a part of other arrays",
    READY
    + "say({'kind': 'part'}, [np.zeros((9, 2), np.float32)]); "
    + "say(ONE, [np.zeros((3, 2), np.float32)])": r"an output of float32 \(12, 2\)",
    READY + "say({'kind': 'stage', 'doing': 'opening it', 'index': 7})": "file 7 of 1",
    READY + "say({'kind': 'stage', 'doing': 'x', 'index': 0})": "a stage 'x'",
    READY + "say({'kind': 'progress', 'done': -1})": "a number -1",
    READY + "os._exit(0)": "ended with status 0 while opening it",
    READY + "unpack(sys.stdin.buffer.read); os.write(2, b'too bad'); os.abort()": (
        "SIGABRT while .*: too bad"
    ),
    READY + "say({'kind': 'failure', 'found': 'a\\x1b[2Jb'})": r"f: a\?\[2Jb$",
}


@pytest.mark.parametrize("program", LIES)
def test_a_child_that_lies_harms_nobody(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecv.system.isolation.process.PROGRAM", START + program)
    with (
        ModelClient("litert", threads=1, time_limit_s=5) as worker,
        pytest.raises(RuntimeFailure, match=LIES[program]) as caught,
    ):
        worker.predict(Path("f"), IMAGES)
    assert "\n" not in str(caught.value)


def test_outputs_that_are_too_large_for_a_frame_come_in_several() -> None:
    """More than a gigabyte, as of masks, was called nonsense, and there was no remedy."""
    sent: list[Frame] = []
    server = object.__new__(ActionServer)
    server._send = lambda header, arrays=(): sent.append(Frame(header, list(arrays)))  # type: ignore[method-assign]
    arrays = [np.arange(21, dtype=np.float32).reshape(7, 3), np.ones((7, 1), np.float32)]
    header = {"names": ["a", "b"]}
    for most, parts in ((10**6, 0), (3 * 16, 2), (1, 6)):
        sent.clear()
        last = Frame(*server.in_parts((header, arrays), most))
        assert len(sent) == parts
        assert {each.header["kind"] for each in sent} <= {"part"}
        found = FrameParts()
        for each in sent:
            found.add(each)
        answer = found.joined(last)
        assert answer.header == header
        for one, other in zip(arrays, answer.arrays, strict=True):
            np.testing.assert_array_equal(one, other)
    empty = [np.zeros((0, 3), np.float32)]
    assert [len(each) for each in server.in_parts((header, empty))[1]] == [0]
    small = FrameParts(most_bytes=100)
    with pytest.raises(MalformedFrame, match="sends more than 100 bytes"):
        for _ in range(9):
            small.add(Frame({}, [np.zeros((4, 3), np.float32)]))


@pytest.mark.parametrize("least", [0, -5])
def test_times_of_no_time_are_refused(least: int, monkeypatch: pytest.MonkeyPatch) -> None:
    program = f"{READY}say({{'kind': 'answer'}}, [np.array([[9, {least}]], np.int64)])"
    monkeypatch.setattr("edgecv.system.isolation.process.PROGRAM", START + program)
    with (
        ModelClient("litert", threads=1) as worker,
        pytest.raises(RuntimeFailure, match="timings of no time"),
    ):
        worker.time_interleaved([Path("f")], IMAGES[:1], budget_s=0.1)


def test_facts_that_are_none_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tensor = "{'name': 'i', 'shape': [1, 'x'], 'type': 'int8', 'scale': 1.0, 'zero_point': 0}"
    program = (
        f"{READY}import json; text = json.dumps({{'input': {tensor}}}).encode(); "
        "say({'kind': 'answer'}, [np.frombuffer(text, np.uint8)])"
    )
    monkeypatch.setattr("edgecv.system.isolation.process.PROGRAM", START + program)
    with (
        ModelClient("litert", threads=1) as worker,
        pytest.raises(RuntimeFailure, match=r"input\.shape\.1: Input should be a valid integer"),
    ):
        worker.open(Path("f"))


def sleeper(seconds: float) -> Any:
    return lambda: time.sleep(seconds)


def test_a_warm_up_ends_for_quick_and_slow_models() -> None:
    for seconds, longest in ((0.001, 3.0), (0.3, 3.0)):
        began = time.perf_counter()
        median = warm_up(sleeper(seconds), LONGEST_WARM_UP_S)
        assert seconds <= median < seconds * 5
        assert time.perf_counter() - began < longest


def test_runs_a_block_fit_the_budget() -> None:
    assert runs_a_block(1e-7, 1.0, min_runs=10, min_blocks=10) == 5000
    assert runs_a_block(20e-6, 1.0, min_runs=10, min_blocks=10) == 250
    assert runs_a_block(0.5, 1.0, min_runs=30, min_blocks=10) == 3


def test_blocks_alternate_and_each_follows_each() -> None:
    order: list[str] = []

    def call(name: str) -> Any:
        return lambda: order.append(name)

    blocks = interleave([call("a"), call("b"), call("c")], [1, 1, 1], budget_s=0.0, min_blocks=6)
    assert [each.shape for each in blocks] == [(6, 1)] * 3
    turns = {"".join(order[start : start + 3]) for start in range(0, 18, 3)}
    assert turns == {"abc", "cba", "bca", "acb", "cab", "bac"}


def test_the_budget_is_used_and_not_much_more() -> None:
    began = time.perf_counter()
    quick, slow = interleave([sleeper(0.0002), sleeper(0.002)], [10, 5], budget_s=0.5, min_blocks=2)
    assert 0.5 <= time.perf_counter() - began < 3.0
    assert quick.shape == (len(slow), 10)
    assert slow.dtype == np.int64
    assert np.median(slow) >= 2_000_000


def test_garbage_is_not_collected_while_time_is_taken() -> None:
    states: list[bool] = []
    interleave([lambda: states.append(gc.isenabled())], [1], budget_s=0.0, min_blocks=1)
    assert states == [False]
    assert gc.isenabled()


def test_a_process_without_tiles_is_refused_them_and_nothing_else() -> None:
    """Ask the kernel as libraries do, in a process of its own: the filter stays for good."""
    program = (
        "import ctypes, os\n"
        "from edgecv.system.isolation import amx as tiles\n"
        "tiles.machine_has_tiles = lambda: True\n"
        "tiles.leave_tiles_off()\n"
        "library = ctypes.CDLL(None, use_errno=True)\n"
        "answer = library.syscall(158, 0x1023, 18)\n"
        "error = ctypes.get_errno()\n"
        "library.syscall(158, 0x1003, ctypes.byref(ctypes.c_ulong()))\n"  # ARCH_GET_FS
        "print(answer, error, os.getpid() > 0)\n"
    )
    if platform.machine() != "x86_64":
        pytest.skip("the tiles are those of x86_64")
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["-1", str(errno.EPERM), "True"]


@pytest.mark.usefixtures("fresh_children")
def test_artifacts_run_without_tiles() -> None:
    """The kernel says of the child whether a filter is in place."""
    if not machine_has_tiles():
        pytest.skip("this machine has no tiles to leave off")
    with ModelClient("litert", threads=1) as worker:
        worker.start()
        status, end = Path(f"/proc/{worker.pid}/status"), time.monotonic() + 30
        while "Seccomp:\t2" not in status.read_text() and time.monotonic() < end:
            time.sleep(0.05)
        assert "Seccomp:\t2" in status.read_text()


@pytest.mark.skipif(not Path("/proc/self/schedstat").exists(), reason="the kernel counts no waits")
def test_time_without_a_processor_is_no_silence() -> None:
    """Three that compute share one processor: each waits for two thirds of the time."""
    programs = ("while True: pass",) * 3 + ("import time; time.sleep(60)",)
    started = [subprocess.Popen([sys.executable, "-c", each]) for each in programs]
    try:
        for each in started:
            os.sched_setaffinity(each.pid, {min(os.sched_getaffinity(0))})
        time.sleep(0.2)
        began = time.monotonic()
        busy, asleep = (Deadline(started[place].pid, 0.2) for place in (0, -1))
        time.sleep(0.5)
        assert busy() > asleep() + 0.1
        assert busy() <= began + MOST * 0.2 + 0.1
        assert asleep() < began + 0.3
    finally:
        for each in started:
            each.kill()
            each.wait()
