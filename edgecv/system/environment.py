"""The machine and the package versions that produced a report."""

import hashlib
import os
import platform
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from edgecv.system.cpu import model_name
from edgecv.system.isolation.amx import machine_has_tiles

PACKAGES = (
    "edgecv",
    "tensorflow",
    "tf_keras",
    "tensorflow-model-optimization",
    "tf2onnx",
    "onnx",
    "onnxruntime",
    "ai-edge-litert",
    "numpy",
)


@cache
def environment() -> dict[str, Any]:
    """Return system, processor, cores, Python and the versions of the relevant packages."""
    return {
        "system": platform.platform(),
        "processor": model_name(),
        "cores": os.cpu_count(),
        "machine": machine(),
        "matrix_tiles": "left off where artifacts run" if machine_has_tiles() else "none",
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
    }


@cache
def machine() -> str:
    """Return this kind of machine: a latency limit is for one of them."""
    return machine_of(model_name(), os.cpu_count())


def machine_of(processor: str, cores: int | str | None) -> str:
    """Return a hash of the processor's model and the number of cores."""
    return hashlib.sha256(f"{processor}|{cores}".encode()).hexdigest()[:12]


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
