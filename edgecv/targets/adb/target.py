"""An Android device that adb reaches: the file runs there by LiteRT's benchmark_model."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import Field

from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext, DeployedFile, Target
from edgecv.core.profile import Profile
from edgecv.system.storage import write_bytes
from edgecv.targets.adb.client import AdbClient, adb_path
from edgecv.targets.adb.device import MODEL, PROGRAM, AndroidDevice

FOLDER = "/data/local/tmp/edgecv-"
"""The start of the path of a folder on the device, whose end no other deployment has."""


class Adb(Target):
    """An Android device: answers, time and memory of LiteRT's benchmark_model there."""

    name: ClassVar[str] = "adb"
    formats: ClassVar[tuple[str, ...]] = ("tflite",)
    address: ClassVar[str] = "serial"

    serial: str = Field(default="", pattern=r"^[A-Za-z0-9._:\[\]-]*$", max_length=100)
    """The device, as adb devices lists it; not needed where there is one."""
    benchmark_model: str = ""
    """LiteRT's benchmark_model, built for the device."""

    def check(self, file: DeployedFile, profile: Profile | None) -> None:
        """Raise InputError where the file, adb or benchmark_model cannot be used."""
        super().check(file, profile)
        if file.facts.batch > 1:
            found = f"takes {file.facts.batch} images at once"
            raise InputError(str(file.path), found, accepted="one image")
        self._check_programs()

    def reach(self, formats: Sequence[str], context: DeployContext) -> None:
        """Raise InputError where adb, benchmark_model or the device is not there."""
        self._check_programs()
        client = AdbClient(adb_path(), self.serial)
        context.emit("connecting", client.where)
        try:
            client.shell("true")
        except StepError as error:
            raise InputError(error.where, error.found, remedy=error.remedy) from None

    def _check_programs(self) -> None:
        if not Path(self.benchmark_model).is_file():
            found = (
                f"there is no file {self.benchmark_model}" if self.benchmark_model else "is needed"
            )
            raise InputError(
                "--benchmark-model", found, accepted=f"LiteRT's {PROGRAM}, built for the device"
            )
        adb_path()

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write the file that is brought to the device."""
        write_bytes(folder / MODEL, file.path.read_bytes())

    @contextmanager
    def open(
        self, file: DeployedFile, folder: Path, context: DeployContext
    ) -> Iterator[AndroidDevice]:
        """Bring program and file to the device; what was brought there is removed at the end."""
        client = AdbClient(adb_path(), self.serial)
        there = f"{FOLDER}{secrets.token_hex(8)}"
        context.emit("connecting", client.where)
        client.shell(f"mkdir -m 700 {there}")
        try:
            client.push(Path(self.benchmark_model), f"{there}/{PROGRAM}")
            client.push(folder / MODEL, f"{there}/{MODEL}")
            client.shell(f"chmod 700 {there}/{PROGRAM}")
            yield AndroidDevice(file, client, there, context)
        except BaseException as error:
            try:
                _remove(client, there)
            except StepError as left:
                if isinstance(error, StepError):
                    raise
                context.emit("note", str(left))
            raise
        _remove(client, there)


def _remove(client: AdbClient, there: str) -> None:
    """Remove a folder of the device. Raises StepError that names it where it stays there."""
    try:
        client.shell(f"rm -rf {there}")
    except StepError as error:
        found = f"{there} is left on the device: {error.found}"
        raise StepError(
            client.where, found, remedy=f"{client.shown} shell rm -rf {there}"
        ) from error
