"""The schedules that have a name, and how a table of training options is read."""

from collections.abc import Mapping
from typing import Any

from edgecv.core.errors import InputError, unknown_name
from edgecv.core.options import parse_options
from edgecv.models.training.schedule import Schedule

USUAL_SCHEDULE = "quick"
"""The schedule of a baseline where none is named."""
SCHEDULES = {
    # Found on CIFAR-10 (JPEG copy): see docs/guides/training.md.
    "quick": Schedule(),
    # To convergence: many passes, fewer of a large data set, until validation gains no more.
    "default": Schedule(
        epochs=60,
        minimum_steps=2_000,
        maximum_steps=60_000,
        patience=20,
        decay="cosine",
        warmup=0.05,
    ),
    # The tutorial's own: Adam at 0.001, batches of 32, ten epochs, images as they are.
    "reference": Schedule(
        minimum_steps=0,
        batch=32,
        learning_rate=0.001,
        decay="constant",
        warmup=0.0,
        mirror=False,
        shift=0,
    ),
}


def parse_schedule(training: Any, where: str) -> Schedule:
    """Read a table of training options, which may name a schedule to start from."""
    if not isinstance(training, Mapping):
        raise InputError(where, f"{training!r} is not a table")
    options = dict(training)
    name = options.pop("schedule", USUAL_SCHEDULE)
    if not isinstance(name, str) or name not in SCHEDULES:
        raise unknown_name(where, f"unknown schedule {name!r}", str(name), SCHEDULES)
    return parse_options(Schedule, {**SCHEDULES[name].model_dump(), **options}, where)
