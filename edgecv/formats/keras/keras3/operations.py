"""Operations on tensors that Keras 3 keeps in its graph, as layers of tf-keras.

``x + y`` becomes Add, ``x * 2`` becomes Rescaling, ``ops.relu(x)`` an activation: only where the
layer gives the same. Everything else is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from edgecv.core.text import counted
from edgecv.formats.keras.keras3.activations import ActivationStep, Steps, activation
from edgecv.formats.keras.keras3.names import snake_case
from edgecv.formats.keras.keras3.options import NoCounterpart


class Ref(NamedTuple):
    """A tensor of a graph: which call of which layer gives it, and as which output."""

    layer: str
    call: int
    output: int
    shape: tuple[int | None, ...]


class Operation(NamedTuple):
    """The inputs of an operation, one tensor or several, and its counterpart in tf-keras."""

    takes: Any
    steps: Steps


Arguments = Sequence[Any]
Config = Mapping[str, Any]
Translation = Callable[[Config, Arguments], Operation]
Linear = Callable[[float], tuple[float, float]]


def operation(kind: str, config: Config, arguments: Arguments) -> Operation:
    """Return an operation as layers. Raises NoCounterpart with the reason."""
    if kind in BY_NAME:
        return Operation(_one(arguments), activation(snake_case(kind)))
    if kind not in TRANSLATIONS:
        raise NoCounterpart("has no counterpart in tf-keras")
    return TRANSLATIONS[kind](config, arguments)


def _one(arguments: Arguments) -> Ref:
    if len(arguments) != 1 or not isinstance(arguments[0], Ref):
        raise NoCounterpart("takes something else than one tensor")
    return arguments[0]


def _tensors(arguments: Arguments) -> list[Ref]:
    """Return tensors that a merging layer combines as the operation does: all of one rank."""
    if not arguments or not all(isinstance(each, Ref) for each in arguments):
        raise NoCounterpart("takes something else than tensors")
    if len({len(each.shape) for each in arguments}) > 1:
        raise NoCounterpart("takes tensors of different ranks")
    return list(arguments)


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoCounterpart("takes something else than tensors and numbers")
    return float(value)


def _scaled(tensor: Ref, scale: float, offset: float) -> Operation:
    return Operation(tensor, (ActivationStep("Rescaling", {"scale": scale, "offset": offset}),))


def _layer(kind: str, options: Callable[[Config], Mapping[str, Any]]) -> Translation:
    return lambda config, arguments: Operation(
        _one(arguments), (ActivationStep(kind, options(config)),)
    )


def _merged(kind: str) -> Translation:
    return lambda _, arguments: Operation(_tensors(arguments), (ActivationStep(kind),))


def _arithmetic(kind: str, with_number: Linear, from_number: Linear) -> Translation:
    """Translate an operation on two tensors into a layer, on a tensor and a number into Rescaling.

    ``with_number``: scale and offset for a second argument that is a number; ``from_number``: for a
    first one.
    """

    def translate(_: Config, arguments: Arguments) -> Operation:
        if len(arguments) != 2:
            raise NoCounterpart(f"takes {counted(len(arguments), 'value')}")
        first, second = arguments
        if isinstance(first, Ref) and isinstance(second, Ref):
            return Operation(_tensors(arguments), (ActivationStep(kind),))
        if isinstance(first, Ref):
            return _scaled(first, *with_number(_number(second)))
        return _scaled(_one([second]), *from_number(_number(first)))

    return translate


def _divide(_: Config, arguments: Arguments) -> Operation:
    if len(arguments) != 2 or isinstance(arguments[1], Ref):
        raise NoCounterpart("divides by a tensor")
    if _number(arguments[1]) == 0:
        raise NoCounterpart("divides by zero")
    return _scaled(_one(arguments[:1]), 1 / _number(arguments[1]), 0.0)


def _pooled(layer: str) -> Translation:
    def translate(config: Config, arguments: Arguments) -> Operation:
        tensor = _one(arguments)
        rank, axis = len(tensor.shape), config.get("axis")
        axes = [axis] if isinstance(axis, int) else axis
        if rank != 4 or not isinstance(axes, list) or config.get("initial") is not None:
            raise NoCounterpart("is not over the height and width of images")
        if not all(isinstance(each, int) for each in axes):
            raise NoCounterpart("is over axes that are no numbers")
        if sorted(each % rank for each in axes) != [1, 2]:
            raise NoCounterpart("is not over the height and width of images")
        options = {"keepdims": bool(config.get("keepdims")), "data_format": "channels_last"}
        return Operation(tensor, (ActivationStep(layer, options),))

    return translate


def _concatenate(config: Config, arguments: Arguments) -> Operation:
    (tensors,) = arguments if len(arguments) == 1 else (None,)
    if not isinstance(tensors, list) or not isinstance(config.get("axis"), int):
        raise NoCounterpart("takes something else than a list of tensors")
    if config["axis"] == 0:
        raise NoCounterpart("is over the images of a batch")
    return Operation(_tensors(tensors), (ActivationStep("Concatenate", {"axis": config["axis"]}),))


def _reshape(config: Config, arguments: Arguments) -> Operation:
    tensor, shape = _one(arguments), config.get("newshape")
    if not isinstance(shape, list) or not all(isinstance(side, int) for side in shape[1:]):
        raise NoCounterpart("is to a shape that is no list of numbers")
    if not shape or shape[0] not in (-1, None) or -1 in shape[1:] or None in tensor.shape[1:]:
        raise NoCounterpart("is not of each image alone")
    return Operation(tensor, (ActivationStep("Reshape", {"target_shape": shape[1:]}),))


def _gelu(config: Config, arguments: Arguments) -> Operation:
    name = "gelu_by_tanh" if config.get("approximate", True) else "gelu"
    return Operation(_one(arguments), activation(name))


def _celu(config: Config, arguments: Arguments) -> Operation:
    if config.get("alpha", 1.0) != 1.0:
        raise NoCounterpart("has another alpha than 1")
    return Operation(_one(arguments), (ActivationStep("ELU", {"alpha": 1.0}),))


def _log_softmax(config: Config, arguments: Arguments) -> Operation:
    tensor = _one(arguments)
    if _axis(config) not in (-1, len(tensor.shape) - 1):
        raise NoCounterpart("is not over the last axis")
    return Operation(tensor, activation("log_softmax"))


def _axis(config: Config) -> int:
    axis = config.get("axis", -1)
    if not isinstance(axis, int):
        raise NoCounterpart("is not over one axis")
    return axis


BY_NAME = frozenset(
    """
    Relu Relu6 Sigmoid Softplus Softsign Silu LogSigmoid HardSigmoid HardSilu HardTanh Selu Tanh
    TanhShrink
    """.split()
)
"""Activations without options, whose names are those of the functions."""
TRANSLATIONS: Mapping[str, Translation] = {
    "Add": _arithmetic("Add", lambda n: (1.0, n), lambda n: (1.0, n)),
    "Subtract": _arithmetic("Subtract", lambda n: (1.0, -n), lambda n: (-1.0, n)),
    "Multiply": _arithmetic("Multiply", lambda n: (n, 0.0), lambda n: (n, 0.0)),
    "Divide": _divide,
    "TrueDivide": _divide,
    "Negative": lambda _, arguments: _scaled(_one(arguments), -1.0, 0.0),
    "Square": lambda _, arguments: Operation(
        _one(arguments), (ActivationStep("Multiply", {}, (0, 0)),)
    ),
    "Maximum": _merged("Maximum"),
    "Minimum": _merged("Minimum"),
    "Concatenate": _concatenate,
    "Mean": _pooled("GlobalAveragePooling2D"),
    "Max": _pooled("GlobalMaxPooling2D"),
    "Reshape": _reshape,
    "Gelu": _gelu,
    "LeakyRelu": _layer(
        "LeakyReLU", lambda config: {"alpha": _number(config.get("negative_slope", 0.2))}
    ),
    "Elu": _layer("ELU", lambda config: {"alpha": _number(config.get("alpha", 1.0))}),
    "Celu": _celu,
    "Softmax": _layer("Softmax", lambda config: {"axis": _axis(config)}),
    "LogSoftmax": _log_softmax,
}
