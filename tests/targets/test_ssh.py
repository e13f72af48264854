"""A file on a host over SSH: a real sshd of our own, on this machine."""

import os
import random
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
from deployed import deployed_file
from devices import found, needs

from edgecv.core.artifact import Artifact
from edgecv.core.data import Images
from edgecv.core.errors import EdgecvError, InputError, StepError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DeployContext, DeployedFile
from edgecv.core.report import Report
from edgecv.formats.lookup import runtime_of_file
from edgecv.system.isolation import ModelClient
from edgecv.targets.ssh import connection, host
from edgecv.targets.ssh.host import Host
from edgecv.targets.ssh.target import Ssh

device = pytest.mark.device
IMAGES = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)


@dataclass(frozen=True)
class Server:
    """A running sshd, with the client's configuration for it, and the folder of its hosts."""

    port: int
    config: Path
    folder: Path
    process: subprocess.Popen[bytes]

    def target(self, **options: Any) -> Ssh:
        given = {"host": f"//127.0.0.1:{self.port}", "config": str(self.config)}
        return Ssh(**{"python": sys.executable, **given, **options})

    def program(self, text: str) -> str:
        """Return the path of a program that stands for the host's Python."""
        path = self.config.parent / f"python-{time.monotonic_ns()}"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def left(self) -> list[str]:
        """Return the names of what is left on the host: its last process may be about to end."""
        deadline = time.monotonic() + 5
        while (names := os.listdir(self.folder)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return names

    def sessions(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("sshd")
    (folder / "host").mkdir()
    for name in ("host_key", "user_key"):
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(folder / name)]
        subprocess.run(command, check=True)
    shutil.copy(folder / "user_key.pub", folder / "authorized_keys")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    public = (folder / "host_key.pub").read_text()
    (folder / "known_hosts").write_text(f"[127.0.0.1]:{port} {public}")
    (folder / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {folder}/host_key\nPidFile none\n"
        f"AuthorizedKeysFile {folder}/authorized_keys\nStrictModes no\nUsePAM no\n"
        f"PasswordAuthentication no\nKbdInteractiveAuthentication no\nMaxStartups 100\n"
        f"SetEnv TMPDIR={folder}/host\n"
    )
    config = folder / "config"
    config.write_text(
        f"IdentityFile {folder}/user_key\nIdentitiesOnly yes\nIdentityAgent none\n"
        f"UserKnownHostsFile {folder}/known_hosts\nGlobalKnownHostsFile /dev/null\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    command = [str(found("sshd")), "-D", "-e", "-f", str(folder / "sshd_config")]
    with (folder / "sshd.log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log)
    try:
        for _ in range(100):
            with socket.socket() as tried:
                if tried.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield Server(port, config, folder / "host", process)
    finally:
        process.terminate()
        process.wait()


def file_at(path: Path) -> tuple[DeployedFile, Any]:
    """Return a file for deployment, and its answers on this machine."""
    kind = path.suffix[1:]
    with ModelClient(runtime_of_file(path).name, 1) as client:
        facts = client.open(path)
        answers = client.predict(path, IMAGES)
    artifact = Artifact(path.name, kind, path.stem, path.stat().st_size, 0, "0" * 64)
    return deployed_file(kind, artifact=artifact, path=path, facts=facts), answers


@pytest.fixture(scope="module")
def file(output: Path, main_report: Report) -> DeployedFile:
    return file_at(output / "main" / "int8.tflite")[0]


@contextmanager
def opened(target: Ssh, file: DeployedFile, folder: Path) -> Iterator[Host]:
    folder.mkdir(exist_ok=True)
    target.check(file, None)
    target.build(file, folder)
    with target.open(file, folder, DeployContext(lambda stage, text: None)) as there:
        yield there


def refusal(target: Ssh, file: DeployedFile, folder: Path) -> str:
    """Return the sentence of a deployment that does not start."""
    with pytest.raises(StepError) as caught, opened(target, file, folder):
        pass
    assert caught.value.exit_code == 3
    assert "\n" not in str(caught.value)
    return str(caught.value)


@device
@needs("ssh", "sshd")
@pytest.mark.parametrize("name", ["int8.tflite", "float32.tflite", "int8.onnx", "float32.onnx"])
def test_a_host_gives_the_answers_of_this_machine(
    server: Server, output: Path, main_report: Report, name: str, tmp_path: Path
) -> None:
    file, here = file_at(output / "main" / name)
    with opened(server.target(), file, tmp_path / "built") as there:
        answers, blocks = there.predict(IMAGES), there.time(IMAGES[:1])
        assert len(os.listdir(server.folder)) == 1
        facts = there.facts
    assert list(answers.arrays) == list(here.arrays)
    for one, other in zip(answers.arrays.values(), here.arrays.values(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert blocks is not None
    assert blocks[0].min() > 0
    assert facts.runtime.startswith("LiteRT 2." if "tflite" in name else "ONNX Runtime 1.")
    assert facts.notes == ()
    assert 10_000 < (facts.memory_bytes or 0) < 2**26
    assert server.left() == []


@device
@needs("ssh", "sshd")
def test_lost_connections_resume_and_leave_nothing(
    server: Server, file: DeployedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "PART_BYTES", 400)
    monkeypatch.setattr(host, "WAITS_S", (0.0,) * 20)
    images, chance = np.tile(IMAGES, (8, 1, 1, 1)), random.Random(0)
    here = file_at(file.path)[1].arrays
    kills, done = 0, threading.Event()

    def cut() -> None:
        nonlocal kills
        while not done.wait(chance.uniform(0.1, 0.6)):
            for session in server.sessions():
                kills += 1
                session.kill()

    cutter = threading.Thread(target=cut)
    with opened(server.target(), file, tmp_path / "built") as there:
        cutter.start()
        answers = [there.predict(images) for _ in range(3)]
        done.set()
        cutter.join()
        answers.append(there.predict(images))
        assert any("lost the connection" in note for note in there.facts.notes)
    assert kills > 3
    for given in answers:
        for one, other in zip(given.arrays.values(), here.values(), strict=True):
            np.testing.assert_array_equal(one, np.tile(other, (8, 1)))
    assert server.left() == []


@device
@needs("ssh", "sshd")
def test_a_host_that_never_comes_back_is_one_sentence(
    server: Server, file: DeployedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "WAITS_S", (0.0, 0.0))
    with opened(server.target(), file, tmp_path / "built") as there:
        program = Path(server.program("kill -9 $$"))
        object.__setattr__(there._connect.__closure__, "x", 0) if False else None
        monkeypatch.setattr(
            there, "_connect", lambda: _other_program(server, file, tmp_path, str(program))
        )
        for session in server.sessions():
            session.kill()
        with pytest.raises(StepError, match="3 times in a row"):
            there.predict(IMAGES)
    assert server.left() == []
