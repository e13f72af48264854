"""Operators of Python and functions of TensorFlow in a graph of tf-keras, as layers that train.

``x + 3.0``, ``x * gate`` or ``tf.nn.relu6(x)`` in the code of a model is a layer of the function
itself, which has no quantizer.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgecv.core.keras_types import KerasLayer
from edgecv.models.tf import keras

MODULES = ("__operators__", "math", "nn", "")
"""Modules of TensorFlow whose functions are known by the last part of their name."""
MERGED = frozenset("add multiply subtract maximum minimum".split())
FUNCTIONS = {
    "relu": "relu",
    "silu": "swish",
    "swish": "swish",
    "sigmoid": "sigmoid",
    "tanh": "tanh",
}
AFFINE: dict[str, Callable[[float, bool], tuple[float, float] | None]] = {
    "add": lambda number, is_left: (1.0, number),
    "multiply": lambda number, is_left: (number, 0.0),
    "subtract": lambda number, is_left: (-1.0, number) if is_left else (1.0, -number),
    "truediv": lambda number, is_left: None if is_left or not number else (1 / number, 0.0),
    "divide": lambda number, is_left: None if is_left or not number else (1 / number, 0.0),
}
"""Factor and offset of an operation with a number, and whether the number stands at the left."""


def as_layer(layer: KerasLayer, name: str) -> KerasLayer | None:
    """Return a layer that takes only the tensors of an operator's one call, and gives the same.

    None if the layer is no operator, or has no counterpart.
    """
    if type(layer).__name__ != "TFOpLambda" or len(layer.inbound_nodes) != 1:
        return None
    module, _, kind = str(layer.symbol).rpartition(".")
    if module not in MODULES:
        return None
    node = layer.inbound_nodes[0]
    given = [*node.call_args, *(node.call_kwargs[key] for key in node.call_kwargs if key != "name")]
    tensors = [is_symbolic(each) for each in given]
    if kind in MERGED and tensors == [True, True]:
        if len({len(each.shape) for each in given}) == 1:
            return getattr(keras.layers, kind.title())(name=name)
        return None
    if tensors == [True]:
        if kind == "relu6":
            return keras.layers.ReLU(6.0, name=name)
        function = FUNCTIONS.get(kind)
        return None if function is None else keras.layers.Activation(function, name=name)
    if sorted(tensors) == [False, True] and kind in AFFINE:
        number = given[tensors.index(False)]
        if isinstance(number, bool) or np.ndim(number) or not np.isreal(number):
            return None
        affine = AFFINE[kind](float(number), tensors.index(False) == 0)
        if affine is not None:
            return keras.layers.Rescaling(affine[0], affine[1], name=name)
    return None


def is_symbolic(value: Any) -> bool:
    """Return True if a value is a tensor of a graph of Keras."""
    return hasattr(value, "_keras_history")
