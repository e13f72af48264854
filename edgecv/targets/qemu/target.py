"""Emulated Cortex-M boards: the C project with the firmware, compiled and run by QEMU."""

import contextlib
import os
import re
import select
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import ClassVar, Literal

from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext, DeployedFile, Device, DeviceFacts
from edgecv.core.profile import Profile
from edgecv.system.storage import write_bytes
from edgecv.targets.c.target import CProject
from edgecv.targets.firmware.board_device import BoardDevice
from edgecv.targets.firmware.client import BoardClient
from edgecv.targets.programs import run_program
from edgecv.targets.qemu.boards import BOARDS

PROGRAMS = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "make": "make",
    "qemu-system-arm": "qemu-system-arm",
}
"""Programs that it needs, and Debian's packages of them."""
MACHINES = "https://www.qemu.org/docs/master/system/arm/mps2.html"
COMPILE_S, SECONDS = 300, 30
AT_ONCE = 65_536
"""Most bytes that are read from the emulated port at once."""


class Qemu(CProject):
    """An emulated Cortex-M board: the answers, the flash and the memory are real, no time is."""

    name: ClassVar[str] = "qemu"
    address: ClassVar[str] = "board"

    board: Literal["cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "cortex-m55"] = "cortex-m4"
    """Its processor."""

    @property
    def own_profile(self) -> Profile:
        """The emulated board."""
        board = BOARDS[self.board]
        return Profile(
            title=f"the emulated {self.board}",
            core=self.board,
            flash_bytes=board.flash_bytes,
            ram_bytes=board.ram_bytes,
            source=MACHINES,
        )

    def check(self, file: DeployedFile, profile: Profile | None) -> None:
        """Refuse what the C target refuses or the board has no room for, and missing programs."""
        super().check(file, profile)
        self._check_installed()

    def reach(self, formats: Sequence[str], context: DeployContext) -> None:
        """Raise InputError where compiler or emulator is not installed."""
        self._check_installed()

    def _check_installed(self) -> None:
        missing = [program for program in PROGRAMS if shutil.which(program) is None]
        if missing:
            raise InputError(
                f"--to qemu:{self.board}",
                f"needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not"
                " on this machine",
                remedy=f"Debian: apt-get install {' '.join(PROGRAMS[each] for each in missing)}",
            )

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write the C project, and what the board needs."""
        super().build(file, folder)
        board, sources = BOARDS[self.board], files(__package__) / "sources"
        parts = {name.upper(): value for name, value in vars(board).items()}
        written = {
            "board.c": (sources / "board.c").read_text(),
            **{
                name: Template((sources / name).read_text()).substitute(parts)
                for name in ("board.ld", "board.mk")
            },
        }
        for name, text in written.items():
            write_bytes(folder / name, text.encode())

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[Device | None]:
        """Compile the folder elsewhere and start the emulator; it ends with the context."""
        where = f"--to qemu:{self.board}"
        with tempfile.TemporaryDirectory(prefix="edgecv-qemu-") as temporary:
            work = Path(temporary) / "board"
            shutil.copytree(folder, work)
            context.emit("compile", f"for {self.board}")
            run_program(["make", "-f", "board.mk"], COMPILE_S, folder=work, log=context.log)
            sizes = run_program(["arm-none-eabi-size", "firmware.elf"], SECONDS, folder=work)
            text, data, bss = map(int, re.findall(rb"\d+", sizes.splitlines()[-1])[:3])
            facts = DeviceFacts(
                f"C on an emulated {self.board} ({_version()})",
                memory_bytes=data + bss,
                flash_bytes=text + data,
                notes=("QEMU counts no cycles: there is no time", "memory is without the stack"),
            )
            with _Emulator(BOARDS[self.board].machine, work, where) as stream:
                client = BoardClient(stream, where)
                client.greet()
                yield BoardDevice(file, client, facts, context)


def _version() -> str:
    found = re.search(rb"\d+\.\d+\.\d+", run_program(["qemu-system-arm", "--version"], SECONDS))
    return f"QEMU {found[0].decode()}" if found else "QEMU"


class _Emulator:
    """QEMU with the firmware, whose serial port is its standard input and output."""

    def __init__(self, machine: str, work: Path, where: str) -> None:
        self._where = where
        kernel = ["-kernel", "firmware.elf", "-serial", "stdio"]
        self._process = subprocess.Popen(
            ["qemu-system-arm", "-M", machine, *kernel, "-display", "none", "-monitor", "none"],
            cwd=work,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> "_Emulator":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()

    def read(self, seconds: float) -> bytes:
        """Return what the board has sent: see ByteStream."""
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], seconds)[0]:
            return b""
        content = os.read(self._process.stdout.fileno(), AT_ONCE)
        if not content:
            raise StepError(self._where, "the emulator has ended")
        return content

    def write(self, content: bytes) -> None:
        """Send bytes to the board: see ByteStream."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(content)
            self._process.stdin.flush()
        except OSError:
            raise StepError(self._where, "the emulator has ended") from None
