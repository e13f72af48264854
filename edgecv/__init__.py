"""Compress Keras vision models for the edge, with a proof of what each artifact cost."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from edgecv.acceptance.records import Judgement
    from edgecv.api import compress, gate, load_report, validate
    from edgecv.core.errors import EdgecvError, InputError, RuntimeFailure, StepError
    from edgecv.core.records import Report

__version__ = "0.1.0"
__all__ = [
    "EdgecvError",
    "InputError",
    "Judgement",
    "Report",
    "RuntimeFailure",
    "StepError",
    "__version__",
    "compress",
    "gate",
    "load_report",
    "validate",
]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: ``edgecv --help`` needs none of them."""
    from importlib import import_module

    if name in ("compress", "gate", "load_report", "validate"):
        return getattr(import_module("edgecv.api"), name)
    if name == "Judgement":
        return import_module("edgecv.acceptance.records").Judgement
    if name == "Report":
        return import_module("edgecv.core.records").Report
    if name in __all__:
        return getattr(import_module("edgecv.core.errors"), name)
    raise AttributeError(f"module 'edgecv' has no attribute {name!r}")


def __dir__() -> list[str]:
    """Show what is public, though it is not imported yet."""
    return sorted([*globals(), *__all__])
