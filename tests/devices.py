"""Programs of others that devices are emulated with: tests of devices skip where one is missing."""

import shutil

import pytest
from paths import REPOSITORY

PACKAGES = {
    "arm-none-eabi-gcc": "gcc-arm-none-eabi libnewlib-arm-none-eabi",
    "qemu-aarch64": "qemu-user",
    "qemu-system-arm": "qemu-system-arm",
    "chromium": "chromium",
    "node": "nodejs",
    "ssh": "openssh-client",
    "sshd": "openssh-server",
}
"""Debian's packages, by the program that is looked for."""
FOLDERS = "/usr/sbin"
"""Where programs are that are on no user's PATH."""


NODE_MODULES = REPOSITORY / "node_modules"
RUNTIMES = ("@litertjs/core", "onnxruntime-web")
"""Packages of npm that pages run models with."""


def found(program: str) -> str | None:
    """Return the path of a program."""
    return shutil.which(program) or shutil.which(program, path=FOLDERS)


def needs(*programs: str) -> pytest.MarkDecorator:
    """Return the mark that skips a test where a program is missing."""
    missing = [program for program in programs if found(program) is None]
    packages = " ".join(PACKAGES[program] for program in missing)
    return pytest.mark.skipif(bool(missing), reason=f"apt-get install {packages}")


def needs_browser() -> pytest.MarkDecorator:
    """Return the mark that skips a test where Chromium or a runtime of pages is missing."""
    missing = [name for name in RUNTIMES if not (NODE_MODULES / name).is_dir()]
    if not missing:
        return needs("chromium")
    return pytest.mark.skipif(True, reason=f"npm install --no-save {' '.join(missing)}")
