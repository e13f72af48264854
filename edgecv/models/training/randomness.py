"""Chance within a network, such as dropout: of the seeds of a step alone."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import count

from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.models.tf import tensorflow

PLACE = "_random_generator"
"""The attribute with which Keras keeps the generator of a layer with chance."""


@contextmanager
def seeded_layers(model: KerasModel, seeds: Tensor) -> Iterator[None]:
    """Draw from ``seeds``, int32 (2,), in all layers with chance, while a step is traced.

    Keras' own generators count their calls in the process: a resumed training would draw others.
    """
    layers = [layer for layer in model._flatten_layers() if hasattr(layer, PLACE)]
    before = [getattr(layer, PLACE) for layer in layers]
    numbers = count(3)  # The first ones are of the augmentation.
    for layer, own in zip(layers, before, strict=True):
        generator = type(own)(rng_type="stateless")
        generator.make_seed_for_stateless_op = partial(_next_seeds, seeds, numbers.__next__)
        object.__setattr__(layer, PLACE, generator)
    try:
        yield
    finally:
        for layer, own in zip(layers, before, strict=True):
            object.__setattr__(layer, PLACE, own)


def _next_seeds(seeds: Tensor, number: Callable[[], int]) -> Tensor:
    return tensorflow.random.experimental.stateless_fold_in(seeds, number())
