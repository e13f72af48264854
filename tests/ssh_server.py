"""A real sshd of our own on this machine: its folder, host key, configuration and port."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from deployed import deployed_file
from devices import found

from edgecv.core.artifact import Artifact
from edgecv.core.plugins import DeployContext, DeployedFile
from edgecv.formats.lookup import runtime_of_file
from edgecv.system.isolation import ModelClient
from edgecv.targets.ssh.host import Host
from edgecv.targets.ssh.target import Ssh

IMAGES = np.random.default_rng(0).integers(0, 256, (40, 32, 32, 3)).astype(np.uint8)


@dataclass(frozen=True)
class Server:
    """A running sshd, with the client's configuration for it, and the folder of its hosts."""

    port: int
    config: Path
    folder: Path
    process: subprocess.Popen[bytes]

    def target(self, **options: Any) -> Ssh:
        given = {"host": f"//127.0.0.1:{self.port}", "ssh_config": str(self.config)}
        return Ssh(**{"python": sys.executable, **given, **options})

    def options(self) -> dict[str, str]:
        """Return the options of a command that measures there."""
        url = f"ssh://127.0.0.1:{self.port}"
        return {"on": url, "ssh_config": str(self.config), "python": sys.executable}

    def program(self, text: str) -> str:
        """Return the path of a program that stands for the host's Python."""
        path = self.config.parent / f"python-{time.monotonic_ns()}"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(0o755)
        return str(path)

    def interrupt_once_it_runs(self) -> None:
        """Send this process SIGINT as soon as a program runs on the host."""

        def interrupt() -> None:
            while not self.processes("python"):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()

    def left(self) -> list[str]:
        """Return the names of what is left on the host: its last process may be about to end."""
        deadline = time.monotonic() + 5
        while (names := os.listdir(self.folder)) and time.monotonic() < deadline:
            time.sleep(0.05)
        return names

    def processes(self, name: str) -> list[Any]:
        """Return the clients, the sessions of the server, or the programs on the host."""
        import psutil

        sessions = psutil.Process(self.process.pid).children(recursive=True)
        clients = psutil.Process().children() if name == "ssh" else []
        named = []
        for each in [*clients, *sessions]:
            with suppress(psutil.NoSuchProcess):
                if each.name().rstrip(".0123456789") == name:
                    named.append(each)
        return named


@contextmanager
def running(folder: Path) -> Iterator[Server]:
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


@contextmanager
def opened(target: Ssh, file: DeployedFile, folder: Path) -> Iterator[Host]:
    folder.mkdir(exist_ok=True)
    target.check(file, None)
    target.build(file, folder)
    with target.open(file, folder, DeployContext(lambda stage, text: None)) as there:
        yield there
