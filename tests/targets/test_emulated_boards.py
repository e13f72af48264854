"""The C project on emulated boards: the numbers of LiteRT's built-in kernels, bit for bit."""

import os
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from devices import needs

from edgecv.core.artifact import Artifact
from edgecv.core.data import Images, Outputs
from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext, DeployedFile
from edgecv.targets.qemu.boards import BOARDS
from edgecv.targets.qemu.target import Qemu
from edgecv.targets.serial.target import SerialBoard

pytestmark = [pytest.mark.device, needs("arm-none-eabi-gcc", "qemu-system-arm")]

USUAL = ("cortex-m4", "cortex-m55")
ALL = [pytest.param(each, marks=() if each in USUAL else pytest.mark.slow) for each in BOARDS]


@pytest.mark.parametrize("board", ALL)
def test_answers_are_those_of_the_built_in_kernels(
    answered: tuple[DeployedFile, Outputs],
    images: Images,
    context: DeployContext,
    tmp_path: Path,
    board: str,
) -> None:
    file, expected = answered
    target = Qemu.model_validate({"board": board})
    target.check(file, None)
    target.build(file, tmp_path)
    before = sorted(os.listdir(tmp_path))
    with target.open(file, tmp_path, context) as device:
        found = device.predict(images)
        assert device.time(images[:1]) is None
        facts = device.facts
    assert np.array_equal(found.only, expected.only)
    assert sorted(os.listdir(tmp_path)) == before
    assert facts.flash_bytes is not None
    assert file.artifact.bytes - 20_000 < facts.flash_bytes < file.artifact.bytes + 20_000


@contextmanager
def serial_board(file: DeployedFile, folder: Path) -> Iterator[str]:
    """Run the firmware on an emulated board; the value is its serial port."""
    Qemu().build(file, folder)
    subprocess.run(["make", "-s", "-f", "board.mk"], cwd=folder, check=True)
    machine = ["-M", BOARDS["cortex-m4"].machine, "-kernel", folder / "firmware.elf"]
    command = ["qemu-system-arm", *machine, "-serial", "pty", "-display", "none"]
    with subprocess.Popen(
        [*command, "-monitor", "none"], stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"/dev/\S+", process.stdout.readline())
            assert found is not None
            yield found[0]
        finally:
            process.kill()


def test_a_board_on_a_serial_port_is_compared(
    answered: tuple[DeployedFile, Outputs], images: Images, context: DeployContext, tmp_path: Path
) -> None:
    file, expected = answered
    with serial_board(file, tmp_path) as port:
        target = SerialBoard(port=port)
        target.check(file, None)
        with target.open(file, tmp_path, context) as device:
            assert np.array_equal(device.predict(images).only, expected.only)
        changed = Artifact(**vars(file.artifact) | {"sha256": "f" * 64})
        other = replace(file, artifact=changed)
        with (
            pytest.raises(StepError, match="runs another model: SHA-256"),
            target.open(other, tmp_path, context),
        ):
            pass


def test_a_port_that_is_none_is_named(
    answered: tuple[DeployedFile, Outputs], context: DeployContext, tmp_path: Path
) -> None:
    target = SerialBoard(port=str(tmp_path / "ttyUSB9"))
    with (
        pytest.raises(StepError, match="ttyUSB9: the port cannot be opened: No such file"),
        target.open(answered[0], tmp_path, context),
    ):
        pass


def test_programs_that_are_missing_are_named(
    answered: tuple[DeployedFile, Outputs], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match=r"apt-get install gcc-arm-none-eabi .* qemu-system-arm"):
        Qemu().check(answered[0], None)
