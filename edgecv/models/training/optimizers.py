"""The optimizer of a training, by Keras: its moving average of the weights included."""

from functools import cache
from typing import Any, NamedTuple

from edgecv.core.keras_types import Tensor
from edgecv.models.tf import keras, tensorflow
from edgecv.models.training.schedule import Schedule

WITHOUT_DECAY = ["bias", "gamma", "beta"]
"""Parts of the names of weights that do not decay: few, and with a meaning at zero of their own."""


def optimizer_of(schedule: Schedule) -> Any:
    """Return an optimizer that is not built yet; the loop sets its learning rate at each step."""
    optimizers = keras.optimizers
    average = {} if schedule.ema is None else {"use_ema": True, "ema_momentum": schedule.ema}
    decay = {} if schedule.weight_decay is None else {"weight_decay": schedule.weight_decay}
    if schedule.optimizer == "adam":
        return _adam(optimizers.Adam)(1e-3, **average)
    if schedule.optimizer == "adamw":
        found = _adam(optimizers.AdamW)(1e-3, **decay, **average)
    else:
        found = optimizers.SGD(
            1e-3, momentum=schedule.momentum, nesterov=schedule.momentum > 0, **decay, **average
        )
    if found.weight_decay:
        found.exclude_from_weight_decay(var_names=WITHOUT_DECAY)
    return found


def _adam(base: Any) -> Any:
    """Return the class of an Adam: that of Keras where XLA compiles it, or devices share it."""
    is_shared = tensorflow.distribute.has_strategy()
    is_compiled = bool(tensorflow.config.list_physical_devices("GPU"))
    return base if is_shared or is_compiled else _with_numbers_once(base)


class StepNumbers(NamedTuple):
    """The numbers of a step that Adam updates each variable with."""

    size: Tensor
    of_gradient: Tensor
    """The share of the gradient in its moving average."""
    of_square: Tensor
    """The share of its square in theirs."""
    epsilon: Tensor


@cache
def _with_numbers_once(base: Any) -> Any:
    """Return an Adam that computes the numbers of a step once, not for each variable again.

    The updates are those of Keras, to the bit. Half of the operations of a step were these numbers.
    """

    class NumbersOnce(base):  # type: ignore[misc]
        """Adam with the numbers that all variables share."""

        _numbers: StepNumbers | None

        def apply_gradients(self, grads_and_vars: Any, name: str | None = None) -> Any:
            self._numbers = None  # They are tensors of the graph that is traced now.
            try:
                return super().apply_gradients(grads_and_vars, name)
            finally:
                self._numbers = None

        def update_step(self, gradient: Any, variable: Any) -> None:
            is_sparse = isinstance(gradient, tensorflow.IndexedSlices)
            if is_sparse or variable.dtype != tensorflow.float32:
                super().update_step(gradient, variable)
                return
            if self._numbers is None:
                self._numbers = _numbers_of(self)
            each = self._numbers
            place = self._index_dict[self._var_key(variable)]
            mean, square = self._momentums[place], self._velocities[place]
            mean.assign_add((gradient - mean) * each.of_gradient)
            square.assign_add((tensorflow.square(gradient) - square) * each.of_square)
            variable.assign_sub((mean * each.size) / (tensorflow.sqrt(square) + each.epsilon))

    return NumbersOnce


def _numbers_of(adam: Any) -> StepNumbers:
    given = [1 - adam.beta_1, 1 - adam.beta_2, adam.epsilon]
    shares = [tensorflow.constant(each, tensorflow.float32) for each in given]
    step = tensorflow.cast(adam.iterations + 1, tensorflow.float32)
    first, second = (tensorflow.pow(each, step) for each in (adam.beta_1, adam.beta_2))
    size = adam.learning_rate * tensorflow.sqrt(1 - second) / (1 - first)
    return StepNumbers(size, *shares)
