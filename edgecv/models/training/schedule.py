"""Schedule of a training: epochs, learning rate, variations of the images."""

import math
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from edgecv.core.data import Dataset
from edgecv.core.options import Options


class Schedule(Options):
    """Options of one training: Adam, whole batches, an order fixed by (seed, epoch)."""

    epochs: int = Field(default=10, ge=1, le=10_000)
    """Passes over the training images."""
    minimum_steps: int = Field(default=400, ge=0, le=1_000_000)
    """Epochs are added until there are this many steps: a small data set needs more passes."""
    batch: int = Field(default=128, ge=1, le=65_536)
    """Images a step."""
    learning_rate: float = Field(default=0.005, gt=0, le=10)
    """The highest learning rate."""
    decay: Literal["constant", "linear", "cosine"] = "linear"
    """The decay of the learning rate to zero after the warm-up."""
    warmup: float = Field(default=0.2, ge=0, lt=1)
    """Fraction of all steps in which the learning rate rises from zero."""
    mirror: bool | None = None
    """Mirror half of the images left to right; where not given, as the data set allows."""
    patience: int | None = Field(default=None, ge=1)
    """Stop after so many epochs that were no better on validation; where not given, never."""
    shift: int = Field(default=2, ge=0, le=64)
    """Shift each image by up to this many pixels, edges reflected."""

    def for_data(self, data: Dataset, *, mirrors: bool) -> "Schedule":
        """Return the schedule with ``mirror`` and ``shift`` as the data allows, where left open.

        Numbers that are no pixels are neither mirrored nor shifted.
        """
        if data.meaning is not None:
            still = {"mirror": False, "shift": 0}
            open_ones = {key: still[key] for key in still if key not in self.model_fields_set}
            return self.model_copy(update=open_ones)
        return self if self.mirror is not None else self.model_copy(update={"mirror": mirrors})

    def total_epochs(self, images: int) -> int:
        """Return the epochs for so many training images."""
        return max(self.epochs, math.ceil(self.minimum_steps / self.steps_per_epoch(images)))

    def steps_per_epoch(self, images: int) -> int:
        """Return the whole batches in one pass; at least one."""
        return max(1, images // self.batch)

    def learning_rates(self, total_steps: int) -> NDArray[np.float32]:
        """Return the learning rate of each step: float32 (total_steps,)."""
        progress = (np.arange(total_steps) + 0.5) / total_steps
        if self.decay == "constant":
            fall = np.ones(total_steps)
        else:
            rest = np.clip((progress - self.warmup) / (1 - self.warmup), 0, 1)
            fall = 1 - rest if self.decay == "linear" else (1 + np.cos(np.pi * rest)) / 2
        rise = np.clip(progress / self.warmup, 0, 1) if self.warmup else np.ones(total_steps)
        return (self.learning_rate * rise * fall).astype(np.float32)


SCHEDULES = {
    # Found on CIFAR-10 (JPEG copy): see docs/guides/training.md.
    "default": Schedule(),
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
