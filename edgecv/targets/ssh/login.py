"""The way to a program on a host: the command of OpenSSH's client, and the script there."""

import os
import shlex
from dataclasses import dataclass

from edgecv.targets.ssh.agent.start import NO_ROOM
from edgecv.targets.ssh.failures import NO_FOLDER, NO_PYTHON
from edgecv.targets.ssh.wheels import Wheels

OPTIONS = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    "NoHostAuthenticationForLocalhost=no",
    "UpdateHostKeys=no",
    "ForwardAgent=no",
    "ForwardX11=no",
    "ClearAllForwardings=yes",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    "RequestTTY=no",
    "LogLevel=ERROR",
    "ConnectTimeout=20",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
)
"""Options that hold whatever the user's configuration says: nothing is asked, no host key is
accepted, and nothing of this machine is offered to the host."""
SCRIPT = (
    'umask 077; t="${{TMPDIR:-/tmp}}/edgecv-{token}"; rm -rf "$t"-*;'
    f' d=$(mktemp -d "$t-XXXXXX") || exit {NO_FOLDER};'
    ' clean() {{ rm -rf "$d"; }}; trap clean EXIT; trap "exit 130" HUP INT TERM;'
    # Byte by byte: what follows the program on the same stream is left to it.
    f' dd bs=1 count={{bytes}} of="$d/program" 2>/dev/null || exit {NO_ROOM};'
    f" command -v {{python}} >/dev/null || exit {NO_PYTHON};"
    # Python leaves compiled files, and ONNX Runtime those of its telemetry.
    ' export TMPDIR="$d" PYTHONDONTWRITEBYTECODE=1 ORT_DISABLE_TELEMETRY=1;'
    ' {python} "$d/program" "$d" {kind} {wheels} {kept}; exit $?'
)
"""The command on the host. It has no quote ', no ! and no line break: any login shell may read it.
A new connection removes the folders of the ones before."""


@dataclass(frozen=True)
class Login:
    """The way to a program on a host."""

    url: str
    """ssh://[USER@]HOST[:PORT]"""
    python: str
    """The interpreter there."""
    config: str
    """The configuration of the client; empty for the user's own."""
    kind: str
    """The format that the program runs."""
    token: str
    """The part of the names of its folders that no other deployment has."""
    wheels: Wheels | None = None
    """Packages that are sent along."""
    keeps_wheels: bool = False
    """True if they stay there for the next time."""

    def command(self, program_bytes: int) -> list[str]:
        """Return the command of OpenSSH's client; a program of so many bytes is sent to it."""
        wheels = self.wheels
        script = SCRIPT.format(
            token=self.token,
            bytes=program_bytes,
            python=self.python,
            kind=self.kind,
            wheels=0 if wheels is None else len(wheels.archive),
            kept=f"wheels-{wheels.name}" if wheels is not None and self.keeps_wheels else '""',
        )
        config = ["-F", os.path.abspath(self.config)] if self.config else []
        options = [part for each in OPTIONS for part in ("-o", each)]
        return ["ssh", *config, *options, "--", self.url, f"exec sh -c {shlex.quote(script)}"]
