"""Optimizers make the updates of Keras, to the bit, with fewer operations."""

from typing import Any

import numpy as np
import pytest

from edgecv.models.tf import compile_function, keras, set_seed, tensorflow
from edgecv.models.training.optimizers import optimizer_of
from edgecv.models.training.schedule import Schedule


def trained(optimizer: Any) -> tuple[list[Any], int]:
    """Return all variables after three steps, and the operations of a step."""
    set_seed(4)
    layers = keras.layers
    model = keras.Sequential([layers.InputLayer((6,)), layers.Dense(5), layers.Dense(3)])
    variables = model.trainable_variables
    optimizer.build(variables)

    def step(given: Any, rate: Any) -> None:
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_mean(tensorflow.square(model(given, training=True) - 1.0))
        optimizer.learning_rate.assign(rate)
        optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables, strict=True))

    compiled = compile_function(step)
    images = np.random.default_rng(0).normal(size=(3, 8, 6)).astype(np.float32)
    for number, batch in enumerate(images):
        compiled(tensorflow.constant(batch), tensorflow.constant(0.01 * (number + 1)))
    (graph,) = (each.graph for each in compiled._list_all_concrete_functions())
    found = [each.numpy() for each in (*variables, *optimizer.variables)]
    return found, len(graph.get_operations())


@pytest.mark.parametrize("ema", [None, 0.9])
@pytest.mark.parametrize("name", ["adam", "adamw"])
def test_an_adam_updates_as_that_of_keras(name: str, ema: float | None) -> None:
    ours = optimizer_of(Schedule(optimizer=name, ema=ema))
    theirs = type(ours).__mro__[1].from_config(ours.get_config())
    assert type(theirs) is {"adam": keras.optimizers.Adam, "adamw": keras.optimizers.AdamW}[name]
    theirs._exclude_from_weight_decay_names = getattr(ours, "_exclude_from_weight_decay_names", [])
    (found, operations), (expected, more) = trained(ours), trained(theirs)
    assert len(found) == len(expected)
    assert all(np.array_equal(*pair) for pair in zip(found, expected, strict=True))
    assert operations < 0.8 * more
