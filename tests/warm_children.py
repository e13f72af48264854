"""Child processes forked from one that has made their imports: a start with TensorFlow takes 4 s.

A forked child is as fresh as a started one: nothing has run in it but imports. It is given all that
a started child is given: arguments, environment, folder, pipes, a session of its own, this process
as its parent. Children of another program are started.
"""

import ctypes
import gc
import importlib
import io
import json
import os
import random
import resource
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

SET_CHILD_SUBREAPER = 36
ONNX = ("edgecv.formats.onnx.runtime", "onnxruntime", "onnx_ir.passes.common", "onnx.numpy_helper")
LITERT = ("ai_edge_litert.interpreter", "ai_edge_litert.schema_py_generated")
EXPORTS = ("tf2onnx.convert", "onnxruntime.quantization", "tensorflow_model_optimization")
KERAS_3 = ("keras", "edgecv.formats.keras.keras3.child")
LIBRARIES = {
    "keras": (*ONNX, *LITERT, *EXPORTS, "h5py", *KERAS_3),
    "keras3": KERAS_3,
    "litert": LITERT,
    "onnxruntime": ONNX,
    "plain": ("h5py",),
}
"""The libraries of a child, by its kind: its runtime where it has one."""
REGISTRIES = {
    "keras": ("IMPORTERS", "EXPORTERS", "RUNTIMES", "TASKS"),
    "litert": ("RUNTIMES",),
    "onnxruntime": ("RUNTIMES",),
}
"""What a child looks its plug-ins up in."""
KINDS = {
    "edgecv.pipeline.conversion.server": "keras",
    "edgecv.formats.keras.keras3.child": "keras3",
    "edgecv.pipeline.search.engines.trial_server": "keras",
}
READ_LATE = frozenset(
    "TMPDIR PYTEST_CURRENT_TEST COLUMNS TF_USE_LEGACY_KERAS TF_CPP_MIN_LOG_LEVEL TF2_BEHAVIOR"
    " TPU_ML_PLATFORM TPU_ML_PLATFORM_VERSION ENABLE_RUNTIME_UPTIME_TELEMETRY HDF5_PLUGIN_PATH"
    " ORT_DISABLE_TELEMETRY KMP_DUPLICATE_LIB_OK KMP_INIT_AT_FORK"
    " _MLFLOW_TELEMETRY_SESSION_ID".split()
)
"""Variables that no import reads, and those that imports of this process have set.

The imports of a child set them alike. Without this, each library that a test is the first to import
would cost another process for each kind of child.
"""
_LOCK = threading.Lock()
"""Held while a child is forked: whose child an orphan becomes is a setting of the process."""
LIMITS = (resource.RLIMIT_AS, resource.RLIMIT_CPU, resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE)


def measure_quickly() -> None:
    """Time each file for a moment: none has to be fast here."""
    from edgecv.formats.onnx import activation_type
    from edgecv.system.isolation import timing

    activation_type.BUDGET_S = 0.05
    timing.WARM_UP_S = 0.02
    timing.warm_up.__defaults__ = (0.05,)


class ForkedProcess(subprocess.Popen):  # type: ignore[type-arg]
    """A child of this process that another one has forked."""

    def __init__(self, pid: int, args: Sequence[str], stdin: int, stdout: int) -> None:
        self.args, self.pid, self.returncode = args, pid, None
        self.stdin, self.stdout, self.stderr = io.FileIO(stdin, "w"), io.FileIO(stdout), None
        self._waitpid_lock = threading.Lock()
        self._child_created, self._sigint_wait_secs = True, 0.25


class Source:
    """A process that has made its imports, and forks children of this one."""

    def __init__(
        self, ours: socket.socket, process: "subprocess.Popen[bytes] | None" = None
    ) -> None:
        self._ours, self._process = ours, process

    @classmethod
    def started(cls, kind: str, environment: Mapping[str, str], packages: str) -> "Source":
        """Start an interpreter that makes the imports of a kind of child."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", __file__, kind, str(theirs.fileno()), packages],
                env=dict(environment), pass_fds=[theirs.fileno()], start_new_session=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )  # fmt: skip
        return cls(ours, process)

    @classmethod
    def forked(cls) -> "Source | None":
        """Fork this process, in which nothing has run but imports; None in each of its children."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if os.fork():
            theirs.close()
            return cls(ours)
        ours.close()
        nothing = os.open(os.devnull, os.O_RDWR)
        for each in range(3):  # The pipes are its parent's, whose death must close them.
            os.dup2(nothing, each)
        os.close(nothing)
        serve(theirs)
        return None

    def close(self) -> None:
        self._ours.close()
        if self._process is not None:
            self._process.wait()

    def fork(
        self,
        args: Sequence[str],
        environment: Mapping[str, str],
        stderr: int,
        limits: Sequence[tuple[int, int]],
    ) -> ForkedProcess:
        requests, stdin = os.pipe()
        stdout, responses = os.pipe()
        asked = {
            "args": args,
            "environment": dict(environment),
            "folder": os.getcwd(),
            "limits": limits,
        }
        with _LOCK:
            # A child whose own parent has ended goes to the next one above that takes orphans.
            ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
            try:
                socket.send_fds(
                    self._ours, [json.dumps(asked).encode()], [requests, responses, stderr]
                )
                answer = self._ours.recv(64).decode()
            finally:
                ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 0, 0, 0, 0)
        os.close(requests)
        os.close(responses)
        assert answer.isdigit(), answer
        return ForkedProcess(int(answer), args, stdin, stdout)


class WarmSubprocess:
    """Stands for the module ``subprocess`` where children are started.

    A child whose environment no other has had is started: its imports may read that. So is one with
    limits of its own, unless they are passed on: then its imports are made without them. They are
    where ``keras3`` is given: the source of a process that was forked itself.
    """

    PIPE, TimeoutExpired = subprocess.PIPE, subprocess.TimeoutExpired

    def __init__(self, program: str, *, keras3: Source | None = None) -> None:
        self._program, self._keras3, self._passes_limits = program, keras3, keras3 is not None
        self._sources: dict[tuple[str, str], Source] = {}
        self._asked: Counter[tuple[str, str]] = Counter()
        self._process = os.getpid()
        self._limits = [resource.getrlimit(each) for each in LIMITS]

    def Popen(self, args: Sequence[str], **options: Any) -> subprocess.Popen[bytes]:  # noqa: N802
        """Fork a child, or start one."""
        limits = [resource.getrlimit(each) for each in LIMITS]
        is_other = args[3] != self._program or os.getpid() != self._process
        if is_other or (limits != self._limits and not self._passes_limits):
            return subprocess.Popen(args, **options)
        environment, settings = options["env"], json.loads(args[4])
        runtime = settings.get("runtime", {}).get("runtime", "plain")
        kind = KINDS.get(args[-1], runtime if runtime in LIBRARIES else "plain")
        if kind == "keras3" and self._keras3 is not None:
            return self._keras3.fork(args, environment, options["stderr"].fileno(), limits)
        read = {
            name: value
            for name, value in environment.items()
            if name not in READ_LATE and not name.startswith("EDGECV_")
        }
        key = kind, json.dumps(read, sort_keys=True)
        self._asked[key] += 1
        if key not in self._sources:
            if self._asked[key] == 1 and any(kind == known for known, _ in self._sources):
                return subprocess.Popen(args, **options)
            self._sources[key] = Source.started(kind, environment, args[5])
        return self._sources[key].fork(args, environment, options["stderr"].fileno(), limits)

    def close(self) -> None:
        for source in self._sources.values():
            source.close()


def serve(asked: socket.socket) -> None:
    """Fork a child a message; return in each."""
    parent = os.getppid()
    while True:
        message, files, _, _ = socket.recv_fds(asked, 2**20, 3)
        if not message:
            os._exit(0)
        between = os.fork()
        if between:
            os.waitpid(between, 0)
            for each in files:
                os.close(each)
            continue
        between = os.getpid()
        if os.fork():
            os._exit(0)
        while os.getppid() == between:
            time.sleep(0.0005)
        break
    os.setsid()
    is_ours = os.getppid() == parent
    asked.send(str(os.getpid() if is_ours else "it got another parent").encode())
    asked.close()
    for number, each in enumerate(files):
        os.dup2(each, number)
        os.close(each)
    wanted = json.loads(message)
    os.chdir(wanted["folder"])
    for number, limit in zip(LIMITS, wanted["limits"], strict=True):
        resource.setrlimit(number, tuple(limit))
    os.environ.clear()
    os.environ.update(wanted["environment"])
    sys.argv = ["-c", *wanted["args"][4:]]
    tempfile.tempdir = None
    random.seed()


def main(kind: str, number: str, packages: str) -> None:
    """Import, then fork."""
    sys.path.insert(0, packages)
    memory = resource.getrlimit(resource.RLIMIT_AS)[1]
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    for each in ("edgecv.system.isolation.model_server", "psutil"):
        importlib.import_module(each)
    registry = importlib.import_module("edgecv.core.registry")
    if kind == "keras":
        importlib.import_module("edgecv.models.tf").load_tensorflow()
        os.environ["KERAS_BACKEND"] = "tensorflow"
    if kind in ("keras", "onnxruntime"):
        importlib.import_module("edgecv.formats.onnx.library").load_onnx_ir()
    for each in LIBRARIES[kind]:
        importlib.import_module(each)
    for each in REGISTRIES.get(kind, ()):
        getattr(registry, each).own  # noqa: B018  it is filled
    measure_quickly()
    # What is imported stays: no child need look at it, nor copy its pages.
    gc.collect()
    gc.freeze()
    with socket.socket(fileno=int(number)) as asked:
        serve(asked)
    # It starts some itself: one for each file of Keras 3.
    if kind == "keras" and (keras3 := Source.forked()) is not None:
        process = importlib.import_module("edgecv.system.isolation.process")
        process.subprocess = WarmSubprocess(process.PROGRAM, keras3=keras3)
    importlib.import_module(sys.argv[3]).main()


if __name__ == "__main__":
    main(*sys.argv[1:])
