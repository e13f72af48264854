"""Schedule of a training: epochs, learning rate, variations of the images."""

import math
import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import (
    Field,
    SerializerFunctionWrapHandler,
    field_validator,
    model_serializer,
    model_validator,
)

from edgecv.core.data import Dataset
from edgecv.core.errors import InputError
from edgecv.core.options import Options
from edgecv.core.text import counted
from edgecv.models.training.variation_names import check_variations, listed_variations

DEVICE = r"^(cpu|gpu(:\d{1,3})?|gpus|workers)$"
LATER = (
    "maximum_steps", "minutes", "optimizer", "weight_decay", "momentum", "ema", "cutout", "mixup",
    "sampling", "augment", "mixed_precision", "device",
)  # fmt: skip
"""Options that came later: left out of a table where they are not used."""
COUNTS_EPOCHS = "counts epochs, and the training has minutes"


def _or_a_list(schema: dict[str, Any]) -> None:
    table = {key: schema.pop(key) for key in ("type", "additionalProperties")}
    schema["anyOf"] = [table, {"type": "array", "items": {"type": "string"}}]


def frozen_too_long(frozen: int, epochs: int) -> InputError:
    """Return the error for a head that would be trained for longer than there are epochs."""
    found = f"is {frozen}, and the training has {counted(epochs, 'epoch')}"
    return InputError("--freeze", found, accepted=f"up to {epochs}, or all")


class Schedule(Options):
    """Options of one training: whole batches, an order fixed by (seed, epoch)."""

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
    maximum_steps: int | None = Field(default=None, ge=1, le=10_000_000)
    """Epochs are left out until there are no more steps than this: a large data set needs fewer."""
    minutes: float | None = Field(default=None, gt=0, le=100_000)
    """Epochs as many as fit into this time, by the time of a step; instead of the other numbers."""
    optimizer: Literal["adam", "adamw", "sgd"] = "adam"
    """Adam, AdamW, or stochastic gradient descent with Nesterov's momentum."""
    weight_decay: float | None = Field(default=None, ge=0, le=1)
    """Decay of kernels at each step, times the learning rate; of adamw (by default 0.004) and
    sgd."""
    momentum: float = Field(default=0.9, ge=0, lt=1)
    """Momentum of sgd."""
    ema: float | None = Field(default=None, gt=0, lt=1)
    """Keep the exponential moving average of the weights, with this momentum, such as 0.999."""
    cutout: int = Field(default=0, ge=0, le=1024)
    """Side in pixels of a square that is hidden in each image, at a random place."""
    mixup: float = Field(default=0.0, ge=0, le=10)
    """Blend the images of a batch, by shares of the beta distribution with this parameter."""

    sampling: Literal["shuffled", "balanced"] = "shuffled"
    """Shuffled: each image once an epoch; balanced: as many images of one class as of another in an
    epoch, those of small classes several times."""

    augment: dict[str, float] = Field(default_factory=dict, json_schema_extra=_or_a_list)
    """Further variations of the images, by strength, as a table or a list ["rotate=15", "colour"]:
    crop (the smallest part of the sides that is kept), rotate (degrees), colour (brightness,
    contrast and saturation), blur (sigma in pixels); choose: so many of them for each image, at
    random. In a list also flip, shift, cutout and mixup, which have keys of their own."""

    mixed_precision: Literal["bfloat16", "float16"] | None = None
    """Compute in 16 bits, with weights in float32; not where weights are held to a rule, as
    by prune, cluster and qat."""
    device: Annotated[str, Field(pattern=DEVICE)] | None = None
    """The device of the training: cpu, gpu, gpu:1; gpus (all GPUs of this host share each batch) or
    workers (the processes that TF_CONFIG names share it); where not given, a GPU if there is
    one."""

    @field_validator("device", mode="before")
    @classmethod
    def _device_is_known(cls, given: Any) -> Any:
        if isinstance(given, str) and re.search(DEVICE, given) is None:
            raise ValueError("cpu, gpu, gpu:0 for the first of several, gpus, or workers")
        return given

    @model_validator(mode="before")
    @classmethod
    def _augmentation_by_name(cls, given: Any) -> Any:
        """Read a list of variations: those with keys of their own become these keys."""
        if not isinstance(given, Mapping) or isinstance(given.get("augment", {}), Mapping):
            return given
        own, others = listed_variations(given["augment"])
        return {**given, **own, "augment": others}

    @field_validator("augment")
    @classmethod
    def _variations_are_known(cls, found: dict[str, float]) -> dict[str, float]:
        check_variations(found)
        return found

    @model_validator(mode="after")
    def _decay_has_its_optimizer(self) -> Self:
        if self.optimizer == "adam" and self.weight_decay is not None:
            raise ValueError("weight_decay is for adamw and sgd")
        return self

    @model_validator(mode="after")
    def _several_devices_count_epochs(self) -> Self:
        if self.device in ("gpus", "workers") and self.minutes is not None:
            raise ValueError("epochs in place of minutes: steps of several devices are not timed")
        return self

    @model_serializer(mode="wrap")
    def _without_what_is_not_asked_for(
        self, written: SerializerFunctionWrapHandler
    ) -> dict[str, Any]:
        """Leave out what came later and is not used, so that stored trainings keep their keys."""
        table: dict[str, Any] = written(self)
        fields = Schedule.model_fields
        return {
            k: v
            for k, v in table.items()
            if k not in LATER or v != fields[k].get_default(call_default_factory=True)
        }

    def for_data(self, data: Dataset, *, mirrors: bool) -> "Schedule":
        """Return the schedule with ``mirror`` and ``shift`` as the data allows, where left open.

        Numbers that are no pixels are neither mirrored nor shifted: a shift of the usual size is
        one that was left open, whether a recipe writes it or not.
        """
        if data.meaning is not None:
            usual = Schedule.model_fields
            still = {"mirror": False, "shift": 0}
            open_ones = {k: v for k, v in still.items() if getattr(self, k) == usual[k].default}
            return self.model_copy(update=open_ones)
        return self if self.mirror is not None else self.model_copy(update={"mirror": mirrors})

    def shortened(self, fraction: float) -> "Schedule":
        """Return the schedule for a fraction of the images: with as much fewer steps."""
        bounds = {key: getattr(self, key) for key in ("minimum_steps", "maximum_steps")}
        return self.model_copy(
            update={k: math.ceil(v * fraction) for k, v in bounds.items() if v is not None}
        )

    def total_epochs(self, images: int) -> int:
        """Return the epochs for so many training images."""
        steps = self.steps_per_epoch(images)
        epochs = max(self.epochs, math.ceil(self.minimum_steps / steps))
        if self.maximum_steps is None:
            return epochs
        return min(epochs, max(1, self.maximum_steps // steps))

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
