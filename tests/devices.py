"""Programs of others that devices are emulated with: tests of devices skip where one is missing."""

import shutil

import pytest

PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-aarch64": "qemu-user",
    "qemu-system-arm": "qemu-system-arm",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
}
"""Debian's packages, by the program that is looked for."""
FOLDERS = "/usr/sbin"
"""Where programs are that are on no user's PATH."""


def found(program: str) -> str | None:
    """Return the path of a program."""
    return shutil.which(program) or shutil.which(program, path=FOLDERS)


def needs(*programs: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test where a program is missing."""
    missing = [program for program in programs if found(program) is None]
    packages = " ".join(PACKAGES[program] for program in missing)
    return pytest.mark.skipif(bool(missing), reason=f"apt-get install {packages}")
