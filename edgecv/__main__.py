"""The entry point of ``edgecv`` and ``python -m edgecv``: set-up before any command is imported."""

import io
import os
import signal
import sys

INTERRUPTED = 130
RESUMED = {"compress", "train", "table"}
"""Commands whose finished steps are kept, so that the same command goes on."""


def main() -> int:
    """Run a command line and return the exit code, after an interruption too."""
    _open_closed_streams()
    # SIGTERM is an interruption too: unfinished work is removed, finished work kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        from edgecv.cli import run

        code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    if code == INTERRUPTED:
        goes_on = "; the same command goes on where it was" if RESUMED & set(sys.argv[1:2]) else ""
        print(f"edgecv: interrupted{goes_on}", file=sys.stderr)
    return _flush(code)


def _open_closed_streams() -> None:
    """Open the standard streams that the caller has closed, on the null device."""
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest free descriptor, which is this one.
    sys.stdout = sys.stdout or open(1, "w", closefd=False)  # noqa: SIM115
    sys.stderr = sys.stderr or open(2, "w", closefd=False)  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):  # Else a letter of the help may end it.
        sys.stdout.reconfigure(errors="backslashreplace")


def _flush(code: int) -> int:
    """Flush standard output here: a closed pipe must not cause a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return code or 3
    return code


if __name__ == "__main__":
    sys.exit(main())
