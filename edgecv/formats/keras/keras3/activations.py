"""Activations of Keras 3: those that tf-keras has as well, and those made of its layers.

A name can mean two things: ``hard_sigmoid`` is ``relu6(x + 3) / 6`` in Keras 3, ``0.2 x + 0.5``
clipped to 0..1 in Keras 2.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from edgecv.formats.keras.keras3.options import NoCounterpart

NATIVE = {
    name: name
    for name in """
    linear relu sigmoid tanh softmax log_softmax elu selu softplus softsign exponential
    leaky_relu gelu mish swish
    """.split()
} | {"silu": "swish", "celu": "elu"}
"""Names in Keras 3, and the name that means the same in tf-keras, with their default options."""
CUBE = 0.044715


@dataclass(frozen=True)
class ActivationStep:
    """One tf-keras layer. ``takes``: 0 is what enters the first step, n what the n-th step gives.

    ``suffix`` follows the name of the Keras 3 layer; a step without one bears that name.
    """

    class_name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    takes: tuple[int, ...] = (0,)
    suffix: str = ""


Steps = tuple[ActivationStep, ...]


def _shifted(scale: float, offset: float, takes: int, suffix: str) -> ActivationStep:
    return ActivationStep("Rescaling", {"scale": scale, "offset": offset}, (takes,), suffix)


def _clipped(largest: float, takes: int, suffix: str) -> ActivationStep:
    return ActivationStep("ReLU", {"max_value": largest}, (takes,), suffix)


def _named(name: str, takes: int, suffix: str) -> ActivationStep:
    return ActivationStep("Activation", {"activation": name}, (takes,), suffix)


def _gelu_by_tanh() -> Steps:
    """Return x * (0.5 + 0.5 * tanh(c * x * (1 + 0.044715 * x * x))), c = sqrt(2 / pi)."""
    c = math.sqrt(2 / math.pi)
    return (
        ActivationStep("Multiply", {}, (0, 0), "square"),
        _shifted(c * CUBE, c, 1, "factor"),
        ActivationStep("Multiply", {}, (0, 2), "inner"),
        _named("tanh", 3, "tanh"),
        _shifted(0.5, 0.5, 4, "gate"),
        ActivationStep("Multiply", {}, (0, 5), "gelu"),
    )


def _hard_sigmoid() -> Steps:
    return (
        _shifted(1.0, 3.0, 0, "shift"),
        _clipped(6.0, 1, "clip"),
        _shifted(1 / 6, 0.0, 2, "hard_sigmoid"),
    )


def _hard_silu() -> Steps:
    return (*_hard_sigmoid(), ActivationStep("Multiply", {}, (0, 3), "hard_silu"))


MADE: Mapping[str, Steps] = {
    "relu6": (_clipped(6.0, 0, "relu6"),),
    "hard_sigmoid": _hard_sigmoid(),
    "hard_silu": _hard_silu(),
    "hard_swish": _hard_silu(),
    "hard_tanh": (
        _shifted(1.0, 1.0, 0, "shift"),
        _clipped(2.0, 1, "clip"),
        _shifted(1.0, -1.0, 2, "hard_tanh"),
    ),
    "tanh_shrink": (
        _named("tanh", 0, "tanh"),
        ActivationStep("Subtract", {}, (0, 1), "tanh_shrink"),
    ),
    "log_sigmoid": (
        _shifted(-1.0, 0.0, 0, "negative"),
        _named("softplus", 1, "softplus"),
        _shifted(-1.0, 0.0, 2, "log_sigmoid"),
    ),
    "gelu_by_tanh": _gelu_by_tanh(),
}
"""Activations that tf-keras lacks, defines differently, or cannot train quantized."""


def activation_of(name: str) -> tuple[str, Steps]:
    """Return an activation that a tf-keras layer can have itself, and the steps that follow it.

    >>> activation_of("silu"), [step.class_name for step in activation_of("hard_silu")[1]]
    (('swish', ()), ['Rescaling', 'ReLU', 'Rescaling', 'Multiply'])
    """
    if name not in NATIVE and name not in MADE:
        raise NoCounterpart(f"has the activation {name!r}")
    return NATIVE.get(name, "linear"), MADE.get(name, ())


def activation(name: str) -> Steps:
    """Return the steps of an activation as a layer of its own."""
    native, steps = activation_of(name)
    return as_layer(steps or (_named(native, 0, ""),))


def as_layer(steps: Steps) -> Steps:
    """Return steps of which the last bears the name of the layer."""
    return (*steps[:-1], replace(steps[-1], suffix=""))


def after(step: ActivationStep, steps: Steps) -> Steps:
    """Return a step, followed by steps that take its output."""
    moved = (replace(each, takes=tuple(n + 1 for n in each.takes)) for each in steps)
    return (step, *moved)
