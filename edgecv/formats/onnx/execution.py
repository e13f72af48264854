"""The operators of an ONNX file as ONNX Runtime runs them, and their outputs."""

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.artifact import Activation, ExecutedOperator
from edgecv.core.data import Images
from edgecv.core.quantization import Extremes
from edgecv.formats.onnx.conversions import quantization_of
from edgecv.formats.onnx.graph import (
    CONVERSIONS,
    FUSED,
    add_constant,
    add_node,
    constant,
    first_output,
    input_of,
    only_consumer,
    read_model,
)
from edgecv.formats.onnx.graph_types import Graph, Value
from edgecv.formats.onnx.plain_pixels import read_in_pixels
from edgecv.formats.onnx.qdq_form import KERNELS, PAIRS, SINGLES, write_as_qdq
from edgecv.formats.onnx.stored_weights import OnnxWeights, is_bias, is_constant

PROFILED_RUNS = 50
COLD_RUNS = 10
TIME_OF = "_kernel_time"

Feed = Mapping[str, NDArray[Any]]


def executed(make_session: Callable[..., Any], feed: Feed) -> list[ExecutedOperator]:
    """Return the operators after optimization, with their median times."""
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
    make_session: Callable[..., Any], content: bytes, feeds: Sequence[Feed], size: int = 1
) -> list[Activation]:
    """Return the output of each operator, behind its bias, activation and rounding.

    ``size``: of a fixed batch, whose first image counts.
    """
    import onnx_ir

    model, is_changed = read_in_pixels(content)
    if any(node.op_type in (*KERNELS, *PAIRS, *SINGLES) for node in model.graph):
        # What they give is not a real number, and their biases lie in the kernel's operator.
        write_as_qdq(model.graph, dynamic=False)
        is_changed = True
    if is_changed:
        content = onnx_ir.to_proto(model).SerializeToString()
    ends = _ends(model.graph)
    fetched = list(dict.fromkeys(end.name for end in ends.values()))
    session = make_session(1, content=with_outputs(content, fetched))
    rows = [dict(zip(fetched, session.run(fetched, feed), strict=True)) for feed in feeds]
    return [
        Activation(
            name=value.name,
            type=value.producer().op_type,
            inputs=tuple(_inputs(value, ends)),
            values=np.stack([_reals(_first(row[end.name], size), end).ravel() for row in rows]),
        )
        for value, end in ends.items()
    ]


def watcher(
    make_session: Callable[..., Any],
    content: bytes,
    threads: int,
    size: int | None,
    padding: Sequence[float] = (),
) -> Callable[[Callable[[Images], Feed], Images], Extremes]:
    """Return a function that gives the extremes of each point; ``size``: of a fixed batch."""
    names = [name for name, _ in OnnxWeights(content).points()]
    content = _padded_with(content, padding) if padding else content
    session = make_session(threads, content=with_outputs(content, names))

    def watch(feed: Callable[[Images], Feed], images: Images) -> Extremes:
        low = np.empty((len(images), len(names)), np.float32)
        high = np.empty_like(low)
        step = size or len(images)
        for start in range(0, len(images), step):
            part = images[start : start + step]
            rows = slice(start, start + len(part))
            for place, values in enumerate(session.run(names, feed(part))):
                if step > 1 and values.shape[:1] != (step,):
                    raise ValueError(f'its tensor "{names[place]}" is not one part an image')
                flat = values.reshape(step, -1)[: len(part)]
                low[rows, place], high[rows, place] = flat.min(axis=1), flat.max(axis=1)
        return Extremes(low, high)

    return watch


def _padded_with(content: bytes, values: Sequence[float]) -> bytes:
    """Return a float model whose first convolution has other values than 0 behind its borders.

    ``values``: one a channel. They are taken from all pixels, and given back by its bias.
    """
    import onnx_ir

    model = read_model(content)
    graph = model.graph
    first = next((node for node in graph if node.op_type == "Conv"), None)
    weights = None if first is None else constant(first.inputs[1])
    if first is None or weights is None or weights.shape[1] != len(values):
        return content
    border = np.asarray(values, np.float32)
    bias = constant(input_of(first, 2))
    added = weights.sum(axis=tuple(range(2, weights.ndim))) @ border + (0 if bias is None else bias)
    wide = add_constant(graph, "edgecv.border", border.reshape(-1, *[1] * (weights.ndim - 2)))
    first.replace_input_with(0, add_node(graph, "Sub", [first.inputs[0], wide], first))
    first.resize_inputs(3)
    first.replace_input_with(2, add_constant(graph, "edgecv.border_bias", added.astype(np.float32)))
    return bytes(onnx_ir.to_proto(model).SerializeToString())


def _first(values: NDArray[Any], size: int) -> NDArray[Any]:
    """Return the part of a tensor that belongs to the first image of a fixed batch."""
    return values[:1] if size > 1 and values.shape[:1] == (size,) else values


def with_outputs(content: bytes, names: Sequence[str]) -> bytes:
    """Return a model with more of its tensors as outputs."""
    import onnx

    model = onnx.ModelProto.FromString(content)
    present = {str(each.name) for each in model.graph.output}
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in sorted({*names} - present))
    extended: bytes = model.SerializeToString()
    return extended


def _ends(graph: Graph) -> dict[Value, Value]:
    """Map each operator's output to the tensor behind its bias, activation and rounding."""
    shown = (
        first_output(node)
        for node in graph
        if node.op_type not in (*CONVERSIONS, *FUSED) and not is_constant(node)
    )
    return {value: _end(value) for value in shown if value is not None}


def _end(value: Value) -> Value:
    """Return the tensor behind bias, activation and rounding, if nothing else takes it."""
    while (follower := only_consumer(value)) is not None:
        if follower.op_type == "QuantizeLinear":
            return follower.outputs[0]
        if follower.op_type not in FUSED and not is_bias(follower):
            break
        value = follower.outputs[0]
    return value


def _inputs(value: Value, shown: Mapping[Value, Value]) -> list[str]:
    """Return the names of the shown operators that produce the inputs of an operator."""
    waiting, found = list(value.producer().inputs), []
    while waiting:
        taken = waiting.pop(0)
        if taken in shown:
            found.append(taken.name)
        elif taken is not None and (node := taken.producer()) is not None:
            waiting += node.inputs
    return found


def _reals(values: NDArray[Any], value: Value) -> NDArray[np.float32]:
    """Return the real values of a tensor: integers are dequantized."""
    node = value.producer()
    found = quantization_of(node) if node.op_type == "QuantizeLinear" else None
    if found is None:
        return values.astype(np.float32)
    steps: NDArray[np.float32] = values.astype(np.float32) - found.zero_points.astype(np.float32)
    return steps * found.scales.astype(np.float32)
