"""Calls of Android's adb: bounded in time, and in what a device may say."""

import shutil
import subprocess
import threading
from pathlib import Path

from edgecv.core.errors import InputError, StepError
from edgecv.core.text import one_line, printable

SECONDS = 60.0
MOST_BYTES = 2**18
LONGEST_TEXT = 200
FAILURES = (
    ("unauthorized", "does not trust this machine", "unlock it, and allow USB debugging there"),
    ("no devices", "no device is connected", "connect one with USB debugging on: adb devices"),
    (
        "more than one",
        "several devices are connected",
        "--to adb:SERIAL, as adb devices lists them",
    ),
    ("' not found", "is not connected", "adb devices lists those that are"),
    ("device not found", "is not connected", "adb devices lists those that are"),
    ("offline", "is offline", "connect it again: adb devices"),
    ("No space left", "has no room", "make room there: adb shell df -h /data/local/tmp"),
)
"""Text in a message of adb, what was found, what to do."""


def adb_path() -> str:
    """Return the path of adb. Raises InputError where it is not installed."""
    found = shutil.which("adb")
    if found is None:
        remedy = "apt-get install adb, or the platform tools of Android's SDK, on the PATH"
        raise InputError("--to adb", "needs adb, which is not installed", remedy=remedy)
    return found


class AdbClient:
    """One device. What it says is untrusted. Raises StepError."""

    def __init__(self, adb: str, serial: str) -> None:
        options = ["-s", serial] if serial else []
        self._command = [adb, *options]
        self.shown = " ".join(["adb", *options])
        """Its command, as somebody types it."""
        self.where = f"--to adb:{serial}" if serial else "--to adb"

    def shell(self, script: str, seconds: float = SECONDS) -> str:
        """Run a script there and return what it prints."""
        return self._call("shell", script, seconds=seconds).decode("utf-8", "replace")

    def push(self, path: Path, there: str) -> None:
        """Copy a file to the device."""
        self._call("push", str(path), there, seconds=SECONDS * 10)

    def content(self, there: str, count: int) -> bytes:
        """Return a file of the device, which has so many bytes."""
        found = self._call("exec-out", f"cat {there}", most_bytes=count)
        if len(found) != count:
            raise StepError(self.where, f"gives {len(found):,} bytes of outputs, not {count:,}")
        return found

    def text(self, script: str) -> str:
        """Return the last line that a script prints, as one printable line."""
        return last_line(self.shell(script))

    def _call(
        self, *arguments: str, seconds: float = SECONDS, most_bytes: int = MOST_BYTES
    ) -> bytes:
        process = subprocess.Popen(
            [*self._command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        timer = threading.Timer(seconds, process.kill)
        timer.start()
        try:
            printed = process.stdout.read(most_bytes + 1)
            if len(printed) > most_bytes:
                raise StepError(self.where, f"says more than {most_bytes:,} bytes")
            status = process.wait()
        finally:
            is_late = not timer.is_alive()
            timer.cancel()
            process.kill()
            process.wait()
            process.stdout.close()
        if is_late:
            raise StepError(self.where, f"gives no answer within {seconds:g} s")
        if status:
            self._raise_failure(printed.decode("utf-8", "replace"), status)
        return printed

    def _raise_failure(self, printed: str, status: int) -> None:
        for sign, found, remedy in FAILURES:
            if sign in printed:
                raise StepError(self.where, f"{found}: {last_line(printed)}", remedy=remedy)
        raise StepError(self.where, f"ends with status {status}: {last_line(printed)}")


def last_line(printed: str) -> str:
    """Return the last line of what was printed, as one printable line."""
    lines = [line for line in printed.splitlines() if line.strip()] or ["nothing is printed"]
    return printable(one_line(lines[-1]))[:LONGEST_TEXT]
