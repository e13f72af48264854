"""Packages that a host without any is sent as wheels."""

import os
import sys
import zipfile
from importlib.metadata import distribution, version
from pathlib import Path

import numpy as np
import pytest
from devices import needs
from ssh_server import IMAGES, Server, opened

from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployedFile
from edgecv.targets.ssh import connection
from edgecv.targets.ssh.agent import start
from edgecv.targets.ssh.target import Ssh
from edgecv.targets.ssh.wheels import download, wheels_in

OWN = start.OWN_PYTHON
MACHINE = os.uname().machine


def wheel(name: str, folder: Path) -> None:
    """Write a package of this environment as a wheel."""
    found = distribution(name)
    tags = f"{OWN}-{OWN}-linux_{MACHINE}"
    path = folder / f"{name.replace('-', '_')}-{version(name)}-{tags}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for each in found.files or ():
            if ".." not in each.parts and "tests" not in each.parts:
                archive.write(each.locate(), str(each))


@pytest.mark.slow
@pytest.mark.device
@needs("ssh", "sshd")
def test_a_bare_python_runs_a_file_with_wheels(
    server: Server, file: DeployedFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = server.program(f'HOME={tmp_path}/home exec {sys.executable} -S -E "$@"')
    with (
        pytest.raises(StepError) as caught,
        opened(server.target(python=bare), file, tmp_path / "a"),
    ):
        pass
    assert "lacks numpy and ai-edge-litert: Python 3." in str(caught.value)
    assert (
        "--wheels wheels, from here: pip download --only-binary=:all: --python-version 3."
        in str(caught.value)
    )
    folder = tmp_path / "wheels"
    folder.mkdir()
    for name in ("numpy", "ai-edge-litert"):
        wheel(name, folder)
    other = folder / "numpy-1.0-cp38-cp38-manylinux2014_riscv64.whl"
    other.write_bytes(b"of another machine")
    with opened(server.target(python=bare, wheels=str(folder)), file, tmp_path / "b") as there:
        answers = there.predict(IMAGES)
        assert there.facts.runtime.startswith("LiteRT")
    assert not (tmp_path / "home").exists()
    for _ in range(2):
        target = server.target(python=bare, wheels=str(folder), keep_wheels=True)
        with opened(target, file, tmp_path / "c") as there:
            again = there.predict(IMAGES)
        (kept,) = (tmp_path / "home/.cache/edgecv").iterdir()
        monkeypatch.setattr(connection, "ARE_NEEDED", b"no")  # The second time none are asked for.
    assert (kept / "numpy").is_dir()
    for one, two in zip(answers.arrays.values(), again.arrays.values(), strict=True):
        np.testing.assert_array_equal(one, two)
    assert server.left() == []


@pytest.mark.quick
def test_wheels_of_this_python_and_machine_fit() -> None:
    fitting = [
        f"numpy-2.4.6-{OWN}-{OWN}-manylinux_2_27_{MACHINE}.manylinux_2_28_{MACHINE}.whl",
        f"protobuf-7.36.2-cp310-abi3-manylinux2014_{MACHINE}.whl",
        "flatbuffers-25.12.19-py2.py3-none-any.whl",
        "a_b-1.0-1-py3-none-any.whl",
    ]
    others = [
        f"numpy-2.4.6-cp38-cp38-manylinux2014_{MACHINE}.whl",
        f"numpy-2.4.6-{OWN}-{OWN}-manylinux2014_riscv64.whl",
        f"protobuf-7.36.2-cp399-abi3-manylinux2014_{MACHINE}.whl",
        "old-1.0-py2-none-any.whl",
    ]
    assert [name for name in fitting + others if start.fits(name)] == fitting


@pytest.mark.quick
def test_a_folder_without_wheels_is_refused(tmp_path: Path) -> None:
    target = Ssh(host="a", wheels=str(tmp_path))
    with pytest.raises(InputError, match=r"--wheels: there are no \.whl files in"):
        target.reach(["tflite"], None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="--keep-wheels: goes with --wheels"):
        Ssh(host="a", keep_wheels=True).reach(["tflite"], None)  # type: ignore[arg-type]
    (tmp_path / "a-1-py3-none-any.whl").write_bytes(b"1")
    (tmp_path / "b.txt").write_bytes(b"2")
    assert wheels_in.__wrapped__(str(tmp_path)).archive.count(b"a-1-py3-none-any.whl") == 2


@pytest.mark.quick
@pytest.mark.parametrize(
    ("host", "platforms"),
    [
        ("Python 3.11 on aarch64 with glibc-2.36", ["_2_28", "_2_27", "2014"]),
        ("Python 3.9 on armv7l with glibc-2.27", ["_2_27", "2014"]),
        ("Python 3.12 on x86_64 with glibc-2.17", ["2014"]),
    ],
)
def test_the_download_is_for_the_host(host: str, platforms: list[str]) -> None:
    command = download(f"ssh: {host}", "numpy onnxruntime")
    machine = host.split()[3]
    wanted = " ".join(f"--platform manylinux{each}_{machine}" for each in platforms)
    assert f"--python-version {host.split()[1]} {wanted} -d wheels numpy onnxruntime" in command
    assert download("Python 3.11 on $(reboot) with glibc-2.36", "numpy") == ""
    assert download("Python 3.12 on aarch64 with musl", "numpy") == ""
