"""The operators of a TFLite file as LiteRT runs them, and their outputs."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import Activation, ExecutedOperator
from edgecv.core.data import Images
from edgecv.core.quantization import Extremes

DELEGATE = "DELEGATE"
NOTHING = -1


def executed(interpreter: Any) -> list[ExecutedOperator]:
    """Return the operators of a file, and which of them a delegate runs."""
    operators = interpreter._get_ops_details()
    own = [each for each in operators if each["op_name"] != DELEGATE]
    delegates = [each for each in operators if each["op_name"] == DELEGATE]
    taken = {number for each in delegates for number in _covered(each, own)}
    names = _names(interpreter)
    return [
        ExecutedOperator(
            names[int(each["outputs"][0])], str(each["op_name"]), each["index"] in taken
        )
        for each in own
        if len(each["outputs"])
    ]


def activations(
    interpreter: Any,
    run: Callable[[], object],
    feed: Callable[[Images], NDArray[Any]],
    images: Images,
    size: int = 1,
) -> list[Activation]:
    """Return the real values of each operator's output; the interpreter keeps all tensors.

    ``run`` runs it on one image, without any state of the image before. ``size``: of a fixed batch,
    whose first image counts.
    """
    operators = [each for each in interpreter._get_ops_details() if each["op_name"] != DELEGATE]
    tensors = {int(each["index"]): each for each in interpreter.get_tensor_details()}
    (taken,) = interpreter.get_input_details()
    made = {int(each["outputs"][0]): each for each in operators if len(each["outputs"])}
    rows: dict[int, list[NDArray[np.float32]]] = {number: [] for number in made}
    for index in range(len(images)):
        interpreter.set_tensor(taken["index"], feed(images[index : index + 1]))
        run()
        for number in made:
            values = interpreter.get_tensor(number)
            if size > 1 and values.shape[:1] == (size,):
                values = values[:1]
            rows[number].append(_reals(tensors[number], values))
    names = _names(interpreter)
    return [
        Activation(
            name=names[number],
            type=str(operator["op_name"]),
            inputs=tuple(names[int(each)] for each in operator["inputs"] if int(each) in made),
            values=np.stack(rows[number]).reshape(len(images), -1),
        )
        for number, operator in made.items()
    ]


def extremes(
    interpreter: Any,
    run: Callable[[], object],
    numbers: Sequence[int],
    feed: Callable[[Images], NDArray[Any]],
    images: Images,
    at_once: int | None = None,
) -> Extremes:
    """Return the smallest and largest value of some tensors for each image, ``at_once`` in one run.

    The interpreter keeps all tensors. Raises ValueError if a tensor has no batch axis.
    """
    (taken,) = interpreter.get_input_details()
    low = np.empty((len(images), len(numbers)), np.float32)
    high = np.empty_like(low)
    step = at_once or len(images)
    for start in range(0, len(images), step):
        some = images[start : start + step]
        fed, count = feed(some), step if at_once else len(some)
        if tuple(interpreter.get_tensor(taken["index"]).shape) != fed.shape:
            interpreter.resize_tensor_input(taken["index"], fed.shape)
            interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], fed)
        run()
        for place, number in enumerate(numbers):
            values = interpreter.get_tensor(number)
            if count > 1 and values.shape[:1] != (count,):
                raise ValueError(f"its tensor {number} is not one part an image")
            flat = values.reshape(count, -1)[: len(some)]
            low[start : start + step, place] = flat.min(axis=1)
            high[start : start + step, place] = flat.max(axis=1)
    return Extremes(low, high)


def value_of(
    interpreter: Any, run: Callable[[], object], number: int, runs: NDArray[Any]
) -> list[NDArray[np.float32]]:
    """Return the real values of a tensor for each run; the interpreter keeps all tensors."""
    (taken,) = interpreter.get_input_details()
    tensor = next(each for each in interpreter.get_tensor_details() if each["index"] == number)
    rows = []
    for values in runs:
        interpreter.set_tensor(taken["index"], values)
        run()
        rows.append(_reals(tensor, interpreter.get_tensor(number)))
    return rows


def _covered(delegate: Any, operators: Sequence[Any]) -> set[int]:
    """Return the operators between the inputs and the outputs of a delegate."""
    producer = {int(name): each for each in operators for name in each["outputs"]}
    stop = {int(name) for name in delegate["inputs"]}
    waiting = [int(name) for name in delegate["outputs"]]
    seen: set[int] = set()
    while waiting:
        name = waiting.pop()
        operator = producer.get(name)
        # An input of a delegate may also be one of its outputs, which are always followed.
        if operator is None or operator["index"] in seen:
            continue
        seen.add(operator["index"])
        waiting += [int(each) for each in operator["inputs"] if int(each) not in {*stop, NOTHING}]
    return seen


def _names(interpreter: Any) -> dict[int, str]:
    """Map each tensor to the first of the names that a converter joined in its name."""
    return {
        int(each["index"]): str(each["name"]).split(";")[0]
        for each in interpreter.get_tensor_details()
    }


def _reals(tensor: Any, values: NDArray[Any]) -> NDArray[np.float32]:
    scale, zero_point = tensor["quantization"]
    if not scale:
        return values.astype(np.float32)
    return (values.astype(np.float32) - np.float32(zero_point)) * np.float32(scale)
