"""A host over SSH: OpenSSH's own client, and a small program that runs the file there."""

import io
import re
import secrets
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from pydantic import field_validator

import edgecv
from edgecv.core.errors import InputError, StepError
from edgecv.core.plugins import DeployContext, DeployedFile, Target
from edgecv.core.profile import Profile
from edgecv.core.text import counted
from edgecv.formats.onnx.external_data import in_one_file
from edgecv.system.isolation.protocol import LARGEST_ARRAYS_BYTES
from edgecv.system.storage import write_bytes
from edgecv.targets.ssh.connection import Connection
from edgecv.targets.ssh.host import WAITS_AT_FIRST_S, Host, again, refuse_unreachable
from edgecv.targets.ssh.login import Login
from edgecv.targets.ssh.wheels import wheels_in

ADDRESS = re.compile(
    r"(?:ssh:)?(?://)?((?:[A-Za-z0-9_][A-Za-z0-9_.-]*@)?"
    r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?)/?"
)
INTERPRETER = re.compile(r"[A-Za-z0-9_./~][A-Za-z0-9_./~+-]*")
PROGRAM = "program.pyz"
PACKAGE = Path(edgecv.__file__).parent
MODULES = (
    "system/isolation/protocol.py",
    "system/isolation/timing.py",
    "targets/ssh/agent/model.py",
    "targets/ssh/agent/serve.py",
)
"""Files of this package that run on the host, behind ``agent/start.py``."""


class Ssh(Target):
    """A host that SSH reaches: the file runs there, by LiteRT or ONNX Runtime."""

    name: ClassVar[str] = "ssh"
    formats: ClassVar[tuple[str, ...]] = ("tflite", "onnx")
    address: ClassVar[str] = "host"
    takes_threads: ClassVar[bool] = True

    host: str = ""
    """The host, as ssh://[USER@]HOST[:PORT]; HOST may be a name of your SSH configuration."""
    python: str = "python3"
    """The Python of the host, with numpy and ai-edge-litert or onnxruntime."""
    ssh_config: str = ""
    """Another configuration of SSH than your own, as ssh -F takes it."""
    wheels: str = ""
    """A folder of wheels for the host: they are sent along, and used instead of its packages."""
    keep_wheels: bool = False
    """Leave these packages in ~/.cache/edgecv there, for the next time."""

    @field_validator("host")
    @classmethod
    def _as_url(cls, text: str) -> str:
        found = ADDRESS.fullmatch(text)
        if text and found is None:
            raise ValueError("ssh://[USER@]HOST[:PORT], of letters, digits and . _ -")
        return f"ssh://{found[1]}" if found else ""

    @field_validator("python")
    @classmethod
    def _as_path(cls, text: str) -> str:
        if not INTERPRETER.fullmatch(text):
            raise ValueError("a name or a path, of letters, digits and . _ - + / ~")
        return text

    @property
    def device_name(self) -> str:
        """The address of the host."""
        return self.place

    def check(self, file: DeployedFile, profile: Profile | None) -> None:
        """Raise InputError where the file, or what is told of the host, cannot be used."""
        super().check(file, profile)
        self._check_host()
        if file.artifact.bytes >= LARGEST_ARRAYS_BYTES:
            found = f"has {counted(file.artifact.bytes, 'byte')}"
            raise InputError(str(file.path), found, accepted=f"less than {LARGEST_ARRAYS_BYTES:,}")

    def build(self, file: DeployedFile, folder: Path) -> None:
        """Write the program for the host, and the file."""
        content = file.path.read_bytes()
        if file.artifact.format == "onnx":
            content = in_one_file(file.path, content)
        write_bytes(folder / f"model.{file.artifact.format}", content)
        write_bytes(folder / PROGRAM, program())

    @contextmanager
    def open(self, file: DeployedFile, folder: Path, context: DeployContext) -> Iterator[Host]:
        """Start the program on the host; it ends, and its folder goes, with the context."""
        kind = file.artifact.format
        content, login = (folder / f"model.{kind}").read_bytes(), self._login(kind)
        sent = (folder / PROGRAM).read_bytes()
        context.emit("connecting", self.host)
        with Host(
            file,
            content,
            self.host,
            context.threads,
            lambda: Connection(login, sent, context.log),
        ) as host:
            yield host

    def reach(self, formats: Sequence[str], context: DeployContext) -> None:
        """Connect to the host, and end: it lets this user in, and runs files of these formats.

        Raises InputError where it does not: nothing has been started yet.
        """
        self._check_host()
        for kind in dict.fromkeys(formats):
            context.emit("connecting", self.host)
            login = self._login(kind)

            def connect(login: Login = login) -> Connection:
                return Connection(login, program(), context.log)

            try:
                again(connect, WAITS_AT_FIRST_S, refuse_unreachable).close()
            except StepError as error:
                raise InputError(error.where, error.found, remedy=error.remedy) from None

    def _check_host(self) -> None:
        if not self.host:
            raise InputError("--to ssh", "names no host", remedy="--to ssh://USER@HOST[:PORT]")
        if self.ssh_config and not Path(self.ssh_config).is_file():
            raise InputError("--ssh-config", f"there is no file {self.ssh_config}")
        if self.keep_wheels and not self.wheels:
            raise InputError("--keep-wheels", "goes with --wheels", remedy="give --wheels FOLDER")
        if self.wheels:
            wheels_in(self.wheels)

    def _login(self, kind: str) -> Login:
        return Login(
            self.host,
            self.python,
            self.ssh_config,
            kind,
            secrets.token_hex(8),
            wheels_in(self.wheels) if self.wheels else None,
            self.keep_wheels,
        )


def program() -> bytes:
    """Return the zipapp that runs on the host."""
    packed = io.BytesIO()
    rooms = {each for name in MODULES for each in (Path("edgecv") / name).parents}
    files = {f"{room}/__init__.py": b"" for room in sorted(rooms - {Path()})}
    files["__main__.py"] = (PACKAGE / "targets/ssh/agent/start.py").read_bytes()
    files |= {f"edgecv/{name}": (PACKAGE / name).read_bytes() for name in MODULES}
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(zipfile.ZipInfo(name), text)  # Of 1980: the same bytes each time.
    return packed.getvalue()
