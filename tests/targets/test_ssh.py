"""A file on a host over SSH: a real sshd of our own, on this machine."""

import ast
import os
import random
import sys
import threading
import time
import zipfile
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from deployed import deployed_file
from devices import needs
from ssh_server import IMAGES, Server, file_at, opened, running

from edgecv.analysis.options import DeployOptions, deploy
from edgecv.core.errors import InputError, RuntimeFailure, StepError
from edgecv.core.options import parse_options
from edgecv.core.plugins import DeployContext, DeployedFile
from edgecv.core.report import Report
from edgecv.targets.ssh import connection, host
from edgecv.targets.ssh import target as ssh_target
from edgecv.targets.ssh.target import Ssh, program

device = pytest.mark.device


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
    monkeypatch.setattr(host, "PART_BYTES", 13_000)
    monkeypatch.setattr(host, "WAITS_S", (0.0,) * 20)
    images, chance = np.tile(IMAGES, (8, 1, 1, 1)), random.Random(0)
    here = file_at(file.path)[1].arrays
    import psutil

    roles = ["ssh", "sshd", "python"]
    done, kills = threading.Event(), list[str]()

    def cut() -> None:
        while not done.wait(chance.uniform(0.7, 1.5)):
            kills.append(roles[len(kills) % len(roles)])
            for each in server.processes(kills[-1]):
                with suppress(psutil.NoSuchProcess):
                    each.kill()

    cutter = threading.Thread(target=cut)
    with opened(server.target(), file, tmp_path / "built") as there:
        cutter.start()
        try:
            while len(kills) < 4:
                answers = there.predict(images)
                for one, other in zip(answers.arrays.values(), here.values(), strict=True):
                    np.testing.assert_array_equal(one, np.tile(other, (8, 1)))
        finally:
            done.set()
            cutter.join()
        assert any("lost the connection" in note for note in there.facts.notes)
    assert server.left() == []


@device
@needs("ssh", "sshd")
def test_a_host_that_never_comes_back_is_one_sentence(
    server: Server, file: DeployedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "WAITS_S", (0.0, 0.0))
    (tmp_path / "sshd").mkdir()
    with running(tmp_path / "sshd") as server:
        with opened(server.target(), file, tmp_path / "built") as there:
            sessions = server.processes("sshd")
            server.process.kill()
            server.process.wait()
            for session in sessions:
                session.kill()
            with pytest.raises(StepError, match=r"Connection refused, 3 times in a row"):
                there.predict(IMAGES)
        assert server.left() == []


@device
@needs("ssh", "sshd")
def test_a_connection_ends_the_program_of_a_silent_one(server: Server) -> None:
    login = server.target()._login("tflite")
    silent = connection.Connection(login, program(), None)
    programs = server.processes("python")
    with connection.Connection(login, program(), None):
        deadline = time.monotonic() + 5
        while programs and time.monotonic() < deadline:
            programs = [each for each in programs if each.is_running()]
            time.sleep(0.05)
        assert not programs
        assert len(server.processes("python")) == 1
    silent.close()
    assert server.left() == []


@device
@needs("ssh", "sshd")
def test_a_program_that_a_file_kills_is_a_failure_of_the_file(
    server: Server, file: DeployedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "WAITS_AT_FIRST_S", (0.0,))
    header = '{"kind": "ready", "arrays": []}'
    ready = f"printf 'edgecv01\\0\\0\\0\\{len(header):o}{header}'"
    target = server.target(python=server.program(f"{ready}; sleep 0.3; exit 139"))
    found = r"ended with status 139, 2 times in a row"
    with pytest.raises(RuntimeFailure, match=found), opened(target, file, tmp_path / "built"):
        pass
    assert server.left() == []


@device
@needs("ssh", "sshd")
def test_a_host_that_cannot_be_trusted_is_refused(
    server: Server, file: DeployedFile, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    known = tmp_path / "known"
    text = server.config.read_text().replace(f"{server.config.parent}/known_hosts", str(known))
    config.write_text(text + "StrictHostKeyChecking no\n")
    known.write_text("")
    target = server.target(ssh_config=str(config))
    assert "has a host key that is not known here" in refusal(target, file, tmp_path / "one")
    other = (server.config.parent / "user_key.pub").read_text()
    known.write_text(f"[127.0.0.1]:{server.port} {other}")
    assert "another host key than the known one" in refusal(target, file, tmp_path / "two")
    assert known.read_text().count("\n") == 1
    assert server.left() == []


@device
@needs("ssh", "sshd")
def test_a_host_that_lets_nobody_in_is_one_sentence(
    server: Server, file: DeployedFile, tmp_path: Path
) -> None:
    config = tmp_path / "config"
    config.write_text(server.config.read_text().replace("/user_key", "/host_key"))
    found = refusal(server.target(ssh_config=str(config)), file, tmp_path / "one")
    assert "does not let this user in" in found
    login = f"ssh -F {config} ssh://127.0.0.1:{server.port}"
    assert f"`{login}` must work without a question" in found


SSH_SAYS = {
    "ssh: Could not resolve hostname nowhere.invalid: Name or service not known":
        "no address is known for",
    "ssh: connect to host there port 22: No route to host": "is on, and in this network",
    "ssh: connect to host there port 22: Network is unreachable": "has a network",
    "ssh: connect to host there port 22: Connection timed out": "does not answer",
    "ssh: connect to host there port 22: Connection refused": "that sshd runs there",
}  # fmt: skip


@pytest.mark.parametrize("says", SSH_SAYS)
def test_a_host_that_is_not_there_is_tried_once(
    says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh, tries = tmp_path / "ssh", tmp_path / "tries"
    ssh.write_text(f"#!/bin/sh\necho try >>{tries}\necho '{says}' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    target = Ssh(host="ssh://there")
    with pytest.raises(InputError) as caught:
        target.reach(["tflite"], DeployContext(lambda stage, message: None))
    assert says in str(caught.value)
    assert SSH_SAYS[says] in str(caught.value)
    assert "\n" not in str(caught.value)
    assert tries.read_text() == "try\n"


def test_a_host_that_does_not_let_in_is_wrong_input(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ssh = tmp_path / "ssh"
    ssh.write_text("#!/bin/sh\necho 'me@there: Permission denied (publickey).' >&2\nexit 255\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with pytest.raises(InputError, match="does not let this user in"):
        Ssh(host="ssh://me@there").reach(["tflite"], DeployContext(lambda stage, message: None))


@device
@needs("ssh", "sshd")
def test_a_host_that_is_gone_at_first_is_wrong_input(
    server: Server, file: DeployedFile, tmp_path: Path
) -> None:
    closed = server.target(host="//127.0.0.1:1")
    with (
        pytest.raises(InputError, match=r"refuses the connection: .*; check the port"),
        opened(closed, file, tmp_path / "built"),
    ):
        pass


HOSTS = {
    "exit 91": "lacks numpy; ssh -F {config} ssh://127.0.0.1:{port} {python}"
    " -m pip install numpy, or --python",
    "exit 92": "-m pip install ai-edge-litert,",
    "exit 93": "lacks numpy and ai-edge-litert; ssh ",
    "exit 89": "3.8 or newer",
    "echo Welcome to the machine; cat": "something else than frames: starts with b'Welcome '",
    r"printf 'edgecv01\377\377\377\377'; cat >/dev/null": "and a header of 4294967295 bytes",
    r"""printf 'edgecv01\0\0\0\17{{"arrays": [3]}}'; cat >/dev/null""": "an array of 0",
    r"""printf 'edgecv01\0\0\0\57{{"arrays": [{{"type": "uint8", "shape": [99]}}]}}    ';"""
    " cat >/dev/null": "announces more than 0 bytes",
    r"""printf 'edgecv01\0\0\0\44{{"kind": "x\\u001b[2J", "arrays": []}}'; cat >/dev/null""":
        "a message of kind",
    "cat >/dev/null": "gives no answer within 1 s",
    "yes >&2": "gives no answer within 1 s",
    "sleep 0.2; exit 7": "the connection ended with status 7",
    "echo lost in thought >&2; kill -9 $$": "ended with status 137: ",
}  # fmt: skip


@device
@needs("ssh", "sshd")
@pytest.mark.parametrize("program", HOSTS)
def test_a_host_that_speaks_nonsense_is_one_sentence(
    server: Server,
    file: DeployedFile,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    program: str,
) -> None:
    if "within 1 s" in HOSTS[program]:
        monkeypatch.setattr(connection, "START_S", 1.0)
        monkeypatch.setattr(connection, "CLOSE_S", 1.0)
    for module in (host, ssh_target):
        monkeypatch.setattr(module, "WAITS_AT_FIRST_S", (0.0,) * len(host.WAITS_AT_FIRST_S))
    python = server.program(program.replace("{{", "{").replace("}}", "}"))
    found = refusal(server.target(python=python), file, tmp_path / "built")
    assert HOSTS[program].format(port=server.port, python=python, config=server.config) in found
    assert "\x1b" not in found
    assert server.left() == []


@device
@needs("ssh", "sshd")
def test_a_host_without_python_or_room_is_one_sentence(
    server: Server, file: DeployedFile, tmp_path: Path
) -> None:
    found = refusal(server.target(python="python9"), file, tmp_path / "built")
    assert "has no python9" in found


def test_the_address_is_a_url() -> None:
    for text, url in {
        "//pi@host:22": "ssh://pi@host:22",
        "ssh://pi@host": "ssh://pi@host",
        "pi.local": "ssh://pi.local",
        "//[::1]:2222": "ssh://[::1]:2222",
    }.items():
        assert Ssh(host=text).host == url


@pytest.mark.parametrize(
    "text", ["-oProxyCommand=x", "//-x@host", "//a b", "//a'b", "//a%h", "//a@-b", "//a:x", "//a;b"]
)
def test_an_address_that_ssh_could_take_for_more_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"ssh://\[USER@\]HOST\[:PORT\]"):
        parse_options(Ssh, {"host": text}, "--to")
    with pytest.raises(InputError, match="a name or a path"):
        parse_options(Ssh, {"host": "//a", "python": text}, "--to")


def test_a_file_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="names no host"):
        Ssh().check(deployed_file("tflite"), None)
    with pytest.raises(InputError, match="does not take"):
        Ssh(host="a").check(deployed_file("keras"), None)
    with pytest.raises(InputError, match="there is no file"):
        Ssh(host="a", ssh_config=str(tmp_path / "none")).check(deployed_file("onnx"), None)


def deployment(server: Server, output: Path, folder: Path) -> DeployOptions:
    return DeployOptions(
        paths=(output / "main",),
        artifact="int8.tflite",
        out=folder,
        to=f"ssh://127.0.0.1:{server.port}",
        python=sys.executable,
        ssh_config=str(server.config),
        images=60,
        min_same=1,
    )


@device
@needs("ssh", "sshd")
def test_deploy_proves_a_file_on_a_host(
    server: Server, output: Path, main_report: Report, tmp_path: Path
) -> None:
    report = deploy(deployment(server, output, tmp_path / "there"))
    assert report.outcome == "passed"
    assert report.comparisons[-1].artifact.path == f"int8.tflite on ssh://127.0.0.1:{server.port}"
    assert report.comparisons[-1].latency is not None
    assert sorted(os.listdir(tmp_path / "there")) == [
        "manifest.json", "model.tflite", "program.pyz", "report.html", "report.json",
        "report.md",
    ]  # fmt: skip
    assert server.left() == []


@device
@needs("ssh", "sshd")
def test_an_interrupt_ends_the_host_too(
    server: Server, output: Path, main_report: Report, tmp_path: Path
) -> None:
    server.interrupt_once_it_runs()
    with pytest.raises(KeyboardInterrupt):
        deploy(deployment(server, output, tmp_path / "there"))
    assert not server.processes("python")
    assert server.left() == []
    assert os.listdir(tmp_path) == []


def test_an_option_of_another_target_is_refused() -> None:
    options = DeployOptions(paths=(Path("run"),), to="bundle", python="python3")
    with pytest.raises(InputError, match="--python: bundle has no such option"):
        deploy(options)


def test_the_program_is_python_3_8(file: DeployedFile, tmp_path: Path) -> None:
    Ssh().build(file, tmp_path)
    with zipfile.ZipFile(tmp_path / "program.pyz") as archive:
        for name in archive.namelist():
            ast.parse(archive.read(name), feature_version=(3, 8))
