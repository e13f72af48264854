"""The entry point of ``edgecv`` and ``python -m edgecv``: set-up before any command is imported."""

import io
import os
import resource
import signal
import sys

INTERRUPTED = 130
STEP_FAILED = 3
LEAST_ADDRESS_SPACE_BYTES = 384 * 2**20
RESUMED = {"compress", "train", "table", "search"}
"""Commands whose finished steps are kept, so that the same command goes on."""


def main() -> int:
    """Run a command line and return the exit code, after an interruption too."""
    _open_closed_streams()
    # SIGTERM is an interruption too: unfinished work is removed, finished work kept.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    if 0 <= (space := resource.getrlimit(resource.RLIMIT_AS)[1]) < LEAST_ADDRESS_SPACE_BYTES:
        # A library of numpy ends the process without an exception.
        found = f"cannot start: it may take {space / 2**20:.0f} MiB of memory"
        print(f"edgecv: {found}; accepted: 384 MiB or more; see ulimit -v", file=sys.stderr)
        return STEP_FAILED
    try:
        from edgecv.cli import run
        from edgecv.system.system_limits import keep_a_second_of_processor_time

        keep_a_second_of_processor_time()
        signal.signal(signal.SIGXCPU, _end_by_time)
        code = run()
    except KeyboardInterrupt:
        code = INTERRUPTED
    except (MemoryError, ImportError, OSError) as error:  # A library did not fit.
        reason = (str(error).splitlines() or ["there is not enough memory"])[0]
        print(f"edgecv: cannot start: {reason}; see ulimit -v and ulimit -n", file=sys.stderr)
        return STEP_FAILED
    if code == INTERRUPTED and _OUT_OF_TIME:
        print(
            "edgecv: processor time: the system's limit is reached; see ulimit -t", file=sys.stderr
        )
        code = STEP_FAILED
    elif code == INTERRUPTED:
        goes_on = "; the same command goes on where it was" if RESUMED & set(sys.argv[1:2]) else ""
        print(f"edgecv: interrupted{goes_on}", file=sys.stderr)
    return _flush(code)


_OUT_OF_TIME: list[int] = []


def _end_by_time(number: int, frame: object) -> None:
    """End as an interruption does, a second before the system kills."""
    _OUT_OF_TIME.append(number)
    raise KeyboardInterrupt


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
