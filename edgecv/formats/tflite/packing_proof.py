"""Proof that two TFLite files hold the same network: all of it, read by LiteRT's own classes.

Names of inner tensors, numbers of buffers, and what a converter notes of itself may differ.
"""

from typing import Any

import numpy as np

Network = dict[str, Any]


def difference(before: bytes, after: bytes) -> str | None:
    """Return the first place where two files differ; None if they hold the same network."""
    return _difference(_network(before), _network(after), "the model")


def _network(content: bytes) -> Network:
    """Return subgraphs, operator codes and signatures, with the values of tensors in them."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    buffers = model.buffers or []
    for graph in model.subgraphs or []:
        graph.name = None
        ends = {*_numbers(graph.inputs), *_numbers(graph.outputs)}
        for number, tensor in enumerate(graph.tensors or []):
            values = buffers[tensor.buffer].data
            tensor.buffer = values if values is not None and len(values) else None
            tensor.name = tensor.name if number in ends else None
            if tensor.quantization is not None and _holds_nothing(tensor.quantization):
                tensor.quantization = None
    return {
        name: getattr(model, name)
        for name in vars(model)
        if name not in ("buffers", "description", "metadata", "metadataBuffer")
    }


def _holds_nothing(quantization: Any) -> bool:
    found = vars(quantization).values()
    return all(
        not each if isinstance(each, int) else each is None or np.size(each) == 0 for each in found
    )


def _numbers(values: Any) -> list[int]:
    return [] if values is None else list(values)


def _difference(before: Any, after: Any, where: str) -> str | None:
    if type(before) is not type(after):
        return where
    if isinstance(before, np.ndarray | float | np.generic):
        a, b = np.asarray(before), np.asarray(after)
        return None if (a.dtype, a.shape, a.tobytes()) == (b.dtype, b.shape, b.tobytes()) else where
    if isinstance(before, list):
        if len(before) != len(after):
            return where
        pairs = zip(before, after, strict=True)
        found = (_difference(a, b, f"{where}[{n}]") for n, (a, b) in enumerate(pairs))
        return next((each for each in found if each), None)
    if isinstance(before, dict):
        found = (_difference(before[name], after[name], f"{where}, {name}") for name in before)
        return next((each for each in found if each), None)
    if hasattr(before, "__dict__"):
        return _difference(vars(before), vars(after), where)
    return None if before == after else where
