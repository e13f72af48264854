"""A file on arm64 under user-mode emulation, with packages that are sent as wheels.

``EDGECV_ARM64`` names a folder with ``root``, where Debian's arm64 packages are unpacked by
``dpkg -x`` (python3.11, python3.11-minimal, libpython3.11-stdlib, libpython3.11-minimal, libc6,
libstdc++6, libgcc-s1, zlib1g, libexpat1, libssl3, libffi8, libbz2-1.0, liblzma5, libuuid1), and
``wheels``, a ``pip download`` of numpy and ai-edge-litert for it.
"""

import os
from pathlib import Path

import pytest
from devices import needs
from ssh_server import Server

import edgecv
from edgecv.core.report import Report

FOLDER = os.environ.get("EDGECV_ARM64")
CPU_INFO = """processor\t: 0
Features\t: fp asimd evtstrm crc32 cpuid
CPU implementer\t: 0x41
CPU architecture: 8
CPU variant\t: 0x0
CPU part\t: 0xd08
CPU revision\t: 3
"""
"""A Cortex-A72: LiteRT reads the processor of the emulated machine there."""


@pytest.mark.slow
@pytest.mark.device
@needs("ssh", "sshd", "qemu-aarch64")
@pytest.mark.skipif(FOLDER is None, reason="EDGECV_ARM64 names no folder: see the file")
def test_an_emulated_arm64_host_gives_this_machines_answers(
    server: Server, output: Path, main_report: Report, tmp_path: Path
) -> None:
    root = Path(str(FOLDER)) / "root"
    (root / "proc").mkdir(exist_ok=True)
    (root / "proc/cpuinfo").write_text(CPU_INFO)
    emulator = f"qemu-aarch64 -cpu cortex-a72 -L {root}"
    python = server.program(f'exec {emulator} {root}/usr/bin/python3.11 "$@"')
    report = edgecv.deploy(
        output / "main",
        to=f"ssh://127.0.0.1:{server.port}",
        ssh_config=str(server.config),
        python=python,
        wheels=f"{FOLDER}/wheels",
        artifact="int8.tflite",
        out=tmp_path / "there",
        min_same=0.99,
        max_drop=5.0,
    )
    assert report.outcome == "passed"
    found = report.deployment
    assert found is not None
    assert found.images == report.data.splits["test"].images
    assert found.runtime.endswith("aarch64")
    assert server.left() == []
