"""The start of the program on the host: it ends with a status that says what is missing."""

import sys
from importlib.util import find_spec

NO_NUMPY, NO_RUNTIME = 1, 2
MISSING = 90
"""The status where numpy, the runtime or both are missing: the sum of 90 and what is."""
OLD_PYTHON = 89
OLDEST = (3, 8)
RUNTIMES = {"tflite": ("ai_edge_litert", "tflite_runtime"), "onnx": ("onnxruntime",)}
"""Modules that run a format, by preference."""


def main() -> None:
    """Serve requests from standard input for a file of one format until it ends."""
    folder, kind = sys.argv[1:]
    if sys.version_info < OLDEST:
        sys.exit(OLD_PYTHON)
    runtimes = [name for name in RUNTIMES[kind] if find_spec(name)]
    missing = (0 if find_spec("numpy") else NO_NUMPY) + (0 if runtimes else NO_RUNTIME)
    if missing:
        sys.exit(MISSING + missing)
    from edgecv.targets.ssh.agent.serve import serve

    serve(folder, kind, runtimes[0])


if __name__ == "__main__":
    main()
