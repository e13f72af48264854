"""Events of a run, for displays and callbacks."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
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
    training: str = ""
    """The training that an epoch is of: "baseline", "teacher", "control" or a technique."""
    row: Mapping[str, str] = field(default_factory=dict)
    """A row of a table that a terminal keeps up to date, by heading; its first value is its key.
    Elsewhere the message stands for it."""


OnEvent = Callable[[Event], None]
"""Receives each event of a run."""


def ignore_event(event: Event) -> None:
    """Ignore the event: for callers that only need the result."""


def of_training(on_event: OnEvent, training: str = "", done: int = 0) -> OnEvent:
    """Return a listener for one training: it names it in epochs, and counts them from ``done``."""

    def named(event: Event) -> None:
        if event.stage == "epoch":
            values = {**event.values, "epoch": done + event.values["epoch"]}
            event = replace(event, training=training, values=values)
        on_event(event)

    return named


def score_name(epoch: Mapping[str, Any]) -> str:
    """Return the name of the score in the record of an epoch."""
    names = (key for key in epoch if key != "loss")
    return next(key for key in names if f"validation_{key}" in epoch)
