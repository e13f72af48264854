"""A board on a serial port that runs the firmware, or any that speaks MLPerf Tiny's protocol."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import Field

from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext, DeployedFile, Device, DeviceFacts
from edgecv.core.profile import Profile
from edgecv.targets.c.target import CProject
from edgecv.targets.firmware.board_device import BoardDevice
from edgecv.targets.firmware.client import BoardClient

if TYPE_CHECKING:
    from serial import Serial

WRITE_S = 10.0


class SerialBoard(CProject):
    """A board on a serial port, with the firmware of the C project: answers and time are real."""

    name: ClassVar[str] = "serial"
    has_times: ClassVar[bool] = True
    address: ClassVar[str] = "port"

    port: str = ""
    """Its serial port: /dev/ttyACM0, COM3."""
    baud: int = Field(default=115_200, ge=300, le=4_000_000)
    """Bits a second of the port."""

    def check(self, file: DeployedFile, profile: Profile | None) -> None:
        """Refuse what the C target refuses, and a machine without pyserial."""
        super().check(file, profile)
        self._check_port()

    def reach(self, formats: Sequence[str], context: DeployContext) -> None:
        """Raise InputError for a port that is not there, and a machine without pyserial.

        It is not opened: that restarts many boards.
        """
        self._check_port()
        if self.port.startswith("/") and not os.path.exists(self.port):
            found = "there is no such port"
            raise InputError(f"--to serial:{self.port}", found, remedy="is the board connected?")

    def _check_port(self) -> None:
        if not self.port:
            raise InputError("--to serial", "names no port", accepted="serial:/dev/ttyACM0")
        _pyserial()

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[Device | None]:
        """Open the port, and check that the board runs this file."""
        where = f"--to serial:{self.port}"
        with PortStream(self.port, self.baud, where) as stream:
            client = BoardClient(stream, where)
            client.greet()
            facts = DeviceFacts(f"the board at {self.port}", notes=_notes(client, file, where))
            yield BoardDevice(file, client, facts, context)


def _notes(client: BoardClient, file: DeployedFile, where: str) -> tuple[str, ...]:
    """Return what is to be known of the board. Raises StepError where it runs another model."""
    if not client.gives_bytes:
        return (
            f'it is a board of others, which runs "{client.model}": that this is the same model is'
            " not known, and its answers have three decimals",
        )
    if client.model != file.artifact.sha256:
        raise StepError(
            where,
            f"the board runs another model: SHA-256 {client.model[:12]}",
            accepted=f"SHA-256 {file.artifact.sha256[:12]}",
            remedy=f"edgecv deploy {quote(str(file.path))} --to qemu writes its firmware: put it on"
            " the board",
        )
    return ()


class PortStream:
    """A serial port: see ByteStream."""

    def __init__(self, port: str, baud: int, where: str) -> None:
        self._where = where
        serial = _pyserial()
        try:
            self._port: Serial = serial.Serial(port, baud, write_timeout=WRITE_S, exclusive=True)
        except (serial.SerialException, ValueError, OSError) as error:
            raise StepError(
                where,
                f"the port cannot be opened: {_reason(error)}",
                remedy="is it the right one, and does no other program have it open?",
            ) from None

    def __enter__(self) -> "PortStream":
        return self

    def __exit__(self, *error: object) -> None:
        self._port.close()

    def read(self, seconds: float) -> bytes:
        """Return what has come."""
        try:
            self._port.timeout = seconds
            first = bytes(self._port.read(1))
            return first + bytes(self._port.read(self._port.in_waiting)) if first else b""
        except OSError as error:
            raise StepError(self._where, f"the connection is lost: {_reason(error)}") from None

    def write(self, content: bytes) -> None:
        """Send bytes."""
        try:
            self._port.write(content)
        except OSError as error:
            raise StepError(self._where, f"the connection is lost: {_reason(error)}") from None


def _pyserial() -> Any:
    try:
        import serial
    except ImportError:
        raise InputError(
            "--to serial", "needs pyserial, which is not installed", remedy="pip install pyserial"
        ) from None
    return serial


def _reason(error: Exception) -> str:
    number = getattr(error, "errno", None)
    return os.strerror(number) if number else str(error)
