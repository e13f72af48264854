"""Events of a run, for displays and callbacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Event:
    """An event of a run, for displays and callbacks.

    ``stage`` is a stable identifier, ``message`` a sentence; ``step`` of ``total`` is a count.
    """

    stage: str
    message: str
    step: int | None = None
    total: int | None = None
    values: Mapping[str, float] = field(default_factory=dict)
    path: Path | None = None


OnEvent = Callable[[Event], None]
"""Receives each event of a run."""


def ignore_event(event: Event) -> None:
    """Ignore the event: for callers that only need the result."""


def score_name(epoch: Mapping[str, Any]) -> str:
    """Return the name of the score in the record of an epoch."""
    return next(key for key in epoch if f"validation_{key}" in epoch)
