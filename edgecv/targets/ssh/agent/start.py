"""The start of the program on the host: it ends with a status that says what is missing."""

import io
import os
import platform
import sys
import zipfile
from importlib.util import find_spec

NO_NUMPY, NO_RUNTIME = 1, 2
MISSING = 90
"""The status where numpy, the runtime or both are missing: the sum of 90 and what is."""
OLD_PYTHON, NO_ROOM = 89, 82
OLDEST = (3, 8)
RUNTIMES = {"tflite": ("ai_edge_litert", "tflite_runtime"), "onnx": ("onnxruntime",)}
"""Modules that run a format, by preference."""
ARE_THERE, ARE_NEEDED = b"1", b"0"
"""The answer to wheels that are announced: kept from before, or to be sent."""
AT_ONCE = 2**20
OWN_PYTHON = f"cp{sys.version_info[0]}{sys.version_info[1]}"


def main() -> None:
    """Serve requests from standard input for a file of one format until it ends."""
    folder, kind, size, kept = sys.argv[1:5]
    if sys.version_info < OLDEST:
        sys.exit(OLD_PYTHON)
    if int(size):
        home = os.path.join(os.path.expanduser("~"), ".cache", "edgecv")
        sys.path.insert(0, installed(folder, int(size), os.path.join(home, kept) if kept else ""))
    runtimes = [name for name in RUNTIMES[kind] if find_spec(name)]
    missing = (0 if find_spec("numpy") else NO_NUMPY) + (0 if runtimes else NO_RUNTIME)
    if missing:
        python, libc = ".".join(platform.python_version_tuple()[:2]), "-".join(platform.libc_ver())
        sys.stderr.write(f"Python {python} on {platform.machine()} with {libc}\n")
        sys.exit(MISSING + missing)
    from edgecv.targets.ssh.agent.serve import serve

    serve(folder, kind, runtimes[0])


def installed(folder: str, size: int, kept: str) -> str:
    """Return the folder with the packages of wheels, which are received unless they are kept."""
    archive, place = os.path.join(folder, "wheels"), kept or os.path.join(folder, "packages")
    whole = os.path.join(place, "whole")  # Written last.
    if os.path.exists(whole):
        os.write(1, ARE_THERE)
        return place
    os.write(1, ARE_NEEDED)
    try:
        with open(archive, "wb") as file:
            while size:
                some = os.read(0, min(size, AT_ONCE))
                if not some:
                    sys.exit(NO_ROOM)
                size -= file.write(some)
        os.makedirs(place, exist_ok=True)
        with zipfile.ZipFile(archive) as wheels:
            for name in filter(fits, wheels.namelist()):
                with zipfile.ZipFile(io.BytesIO(wheels.read(name))) as wheel:
                    wheel.extractall(place)
        os.remove(archive)
        open(whole, "w").close()
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(NO_ROOM)
    return place


def fits(name: str) -> bool:
    """Return True for a wheel that this Python and machine take, by the tags in its name."""
    pythons, abis, platforms = name[: -len(".whl")].split("-")[-3:]
    is_stable = "abi3" in abis.split(".")
    for_python = any(
        tag in (OWN_PYTHON, "py3") or (is_stable and later(OWN_PYTHON, tag))
        for tag in pythons.split(".")
    )
    own = ("any", "_" + platform.machine())
    return for_python and any(each.endswith(own) for each in platforms.split("."))


def later(own: str, tag: str) -> bool:
    """Return True if the version of one tag of CPython is as new as that of another."""
    return tag[:3] == "cp3" and tag[3:].isdigit() and int(own[3:]) >= int(tag[3:])


if __name__ == "__main__":
    main()
