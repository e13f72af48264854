"""Headless Chromium: a process with a profile of its own, which opens one page."""

import os
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from edgecv.core.errors import StepError
from edgecv.targets.programs import first_installed

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
OPTIONS = (
    "--headless=new",
    "--no-first-run",
    "--no-default-browser-check",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-domain-reliability",
    "--disable-extensions",
    "--disable-sync",
    "--disable-gpu",
    "--no-proxy-server",
    # Small /dev/shm of containers.
    "--disable-dev-shm-usage",
    # A page that nobody looks at runs as fast as any.
    "--disable-background-timer-throttling",
    "--disable-renderer-backgrounding",
    # No other machine is asked for anything.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)


def browser_path() -> str | None:
    """Return the path of this machine's Chromium."""
    return first_installed(BROWSERS)


@contextmanager
def running_browser(path: str, url: str, log: Path | None) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a browser that opens a page; it ends with the context, and its profile goes."""
    with tempfile.TemporaryDirectory(prefix="edgecv-browser-", ignore_cleanup_errors=True) as own:
        # Chromium's sandbox does not run as root.
        options = [*OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        with log.open("ab") if log is not None else open(os.devnull, "wb") as messages:
            try:
                process = subprocess.Popen(
                    [path, *options, f"--user-data-dir={own}", url],
                    stdin=subprocess.DEVNULL,
                    stdout=messages,
                    stderr=messages,
                    env={**os.environ, "HOME": own},
                    start_new_session=True,
                )
            except OSError as error:
                raise StepError(path, f"cannot be started: {error.strerror}") from None
            try:
                yield process
            finally:
                with suppress(ProcessLookupError):  # It may have ended by itself.
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
