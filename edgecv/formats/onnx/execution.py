"""The operators of an ONNX file as ONNX Runtime runs them, and what each of them gives."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Extremes
from edgecv.core.records import Activation, ExecutedOperator
from edgecv.formats.onnx.stored_weights import Tables

PROFILED_RUNS = 50
COLD_RUNS = 10
TIME_OF = "_kernel_time"
CONVERSIONS = ("QuantizeLinear", "DequantizeLinear")
TAKEN_UP = ("Relu", "Clip")
"""Activations that quantizing takes up into the operator before them."""

Feed = Mapping[str, NDArray[Any]]


def executed(make_session: Callable[..., Any], feed: Feed) -> list[ExecutedOperator]:
    """Return the operators that are left after optimization, with their median times."""
    with tempfile.TemporaryDirectory(prefix="edgecv-profile-") as folder:
        session = make_session(1, profile=Path(folder) / "run")
        for _ in range(COLD_RUNS + PROFILED_RUNS):
            session.run(None, feed)
        events = json.loads(Path(session.end_profiling()).read_text("utf-8"))
    times: dict[tuple[str, str], list[float]] = {}
    for event in events:
        if event.get("cat") == "Node" and str(event["name"]).endswith(TIME_OF):
            key = event["name"].removesuffix(TIME_OF), event["args"]["op_name"]
            times.setdefault(key, []).append(float(event["dur"]))
    return [
        ExecutedOperator(name.partition("_token_")[0], kind, microseconds=median(each[COLD_RUNS:]))
        for (name, kind), each in times.items()
        if len(each) > COLD_RUNS
    ]


def activations(
    make_session: Callable[..., Any], content: bytes, feeds: Sequence[Feed]
) -> list[Activation]:
    """Return what each operator gives, as it goes on: rounded, and through its activation."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    graph = _Graph(model)
    names = graph.shown()
    present = {str(each.name) for each in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in sorted({*names.values()} - present)
    )
    session = make_session(1, content=model.SerializeToString())
    fetched = list(dict.fromkeys(names.values()))
    rows = [dict(zip(fetched, session.run(fetched, feed), strict=True)) for feed in feeds]
    return [
        Activation(
            name=name,
            type=graph.type_of(name),
            inputs=tuple(graph.inputs_of(name, names)),
            values=np.stack([graph.reals(row[end], end).ravel() for row in rows]),
        )
        for name, end in names.items()
    ]


def watcher(
    make_session: Callable[..., Any], content: bytes, threads: int, size: int | None
) -> Callable[[str, NDArray[Any]], Extremes]:
    """Return what gives the extremes of each point; ``size``: of a batch, where it is fixed."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    names = [name for name, _ in Tables(model).points()]
    present = {str(each.name) for each in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in {*names} - present)
    session = make_session(threads, content=model.SerializeToString())

    def watch(taken: str, images: NDArray[Any]) -> Extremes:
        low = np.empty((len(images), len(names)), np.float32)
        high = np.empty_like(low)
        step = size or len(images)
        for start in range(0, len(images), step):
            part = images[start : start + step]
            missing = step - len(part)
            full = np.concatenate([part, np.repeat(part[:1], missing, axis=0)]) if missing else part
            rows = slice(start, start + len(part))
            for place, values in enumerate(session.run(names, {taken: full})):
                if values.shape[:1] != (step,):
                    raise ValueError(f'its tensor "{names[place]}" is not one part an image')
                flat = values.reshape(step, -1)[: len(part)]
                low[rows, place], high[rows, place] = flat.min(axis=1), flat.max(axis=1)
        return Extremes(low, high)

    return watch


class _Graph:
    """Who makes and who takes each tensor of a model."""

    def __init__(self, model: Any) -> None:
        from onnx import numpy_helper

        self._nodes = model.graph.node
        self._constants = {
            each.name: numpy_helper.to_array(each) for each in model.graph.initializer
        }
        self._producer = {name: node for node in self._nodes for name in node.output}
        self._consumers: dict[str, list[Any]] = {}
        for node in self._nodes:
            for name in node.input:
                self._consumers.setdefault(name, []).append(node)

    def shown(self) -> dict[str, str]:
        """Return operator's output -> the tensor that stands for it, for all that depend on it."""
        found = {}
        for node in self._nodes:
            is_constant = all(name in self._constants for name in node.input)
            if node.op_type in (*CONVERSIONS, *TAKEN_UP, "Constant") or is_constant:
                continue
            found[node.output[0]] = self._end(node.output[0])
        return found

    def type_of(self, name: str) -> str:
        """Return the type of the operator that gives a tensor."""
        return str(self._producer[name].op_type)

    def inputs_of(self, name: str, shown: Mapping[str, str]) -> list[str]:
        """Return which of the shown operators gave what an operator takes."""
        waiting, found = list(self._producer[name].input), []
        while waiting:
            taken = waiting.pop(0)
            if taken in shown:
                found.append(taken)
            elif (node := self._producer.get(taken)) is not None:
                waiting += node.input
        return found

    def reals(self, values: NDArray[Any], name: str) -> NDArray[np.float32]:
        """Return a tensor's values as reals: of integers by the scale that they were made with."""
        node = self._producer[name]
        if node.op_type != "QuantizeLinear":
            return values.astype(np.float32)
        scale, zero_point = (self._constants[each] for each in node.input[1:3])
        steps: NDArray[np.float32] = values.astype(np.float32) - np.float32(zero_point)
        return steps * np.float32(scale)

    def _end(self, name: str) -> str:
        """Follow a tensor through bias, activation and rounding, where nothing else takes it."""
        consumers = self._consumers.get(name, [])
        if len(consumers) != 1:
            return name
        (follower,) = consumers
        if follower.op_type == "QuantizeLinear":
            return str(follower.output[0])
        is_bias = follower.op_type == "Add" and any(
            each in self._constants for each in follower.input
        )
        goes_on = follower.op_type in TAKEN_UP or is_bias
        return self._end(follower.output[0]) if goes_on else name
