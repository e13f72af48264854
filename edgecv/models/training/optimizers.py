"""The optimizer of a training, by Keras: its moving average of the weights included."""

from typing import Any

from edgecv.models.tf import keras
from edgecv.models.training.schedule import Schedule

WITHOUT_DECAY = ["bias", "gamma", "beta"]
"""Parts of the names of weights that do not decay: few, and with a meaning at zero of their own."""


def optimizer_of(schedule: Schedule) -> Any:
    """Return an optimizer that is not built yet; the loop sets its learning rate at each step."""
    optimizers = keras.optimizers
    average = {} if schedule.ema is None else {"use_ema": True, "ema_momentum": schedule.ema}
    decay = {} if schedule.weight_decay is None else {"weight_decay": schedule.weight_decay}
    if schedule.optimizer == "adam":
        return optimizers.Adam(1e-3, **average)
    if schedule.optimizer == "adamw":
        found = optimizers.AdamW(1e-3, **decay, **average)
    else:
        found = optimizers.SGD(
            1e-3, momentum=schedule.momentum, nesterov=schedule.momentum > 0, **decay, **average
        )
    if found.weight_decay:
        found.exclude_from_weight_decay(var_names=WITHOUT_DECAY)
    return found
