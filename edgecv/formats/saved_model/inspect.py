"""Inspection of a SavedModel by its tables alone: nothing of it is loaded or run.

Its operations are those of the serving function and of the functions that it calls, their costs
those by the shapes that they declare.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.files import read_regular
from edgecv.formats.contents import OPEN, Contents, End, Operator, known_total, total
from edgecv.formats.dtypes import FLOATS, count
from edgecv.formats.saved_model.costs import (
    PRODUCTS,
    declared_shape,
    macs_of,
    shapes_of_an_image,
    sides_of,
)
from edgecv.formats.saved_model.frozen_graph import OPERATIONS, constant_weights
from edgecv.formats.saved_model.graph_probe import node_name
from edgecv.formats.saved_model.importer import SERVING

CALLS = ("PartitionedCall", "StatefulPartitionedCall")
NOT_SHOWN = ("Const", "Identity", "NoOp", "Placeholder", "VarHandleOp", "ReadVariableOp", *CALLS)
LONGEST_NAME = 300
MOST_NODES = 100_000
DEEPEST = 50


def read(folder: Path) -> Contents:
    """Read a SavedModel folder. Raises InputError if it is damaged or has no serving function."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from tensorflow.core.protobuf import saved_model_pb2

    path = folder / "saved_model.pb"
    try:
        model = saved_model_pb2.SavedModel.FromString(read_regular(path))
    except DecodeError:
        raise _damaged(folder, "its saved_model.pb is cut short, or none") from None
    graphs = [each for each in model.meta_graphs if SERVING in each.signature_def]
    if not graphs:
        names = sorted({name for each in model.meta_graphs for name in each.signature_def})
        raise InputError(
            str(folder),
            f"has the signatures {', '.join(names)}" if names else "has no serving signature",
            accepted=f"one called {SERVING}",
        )
    return _Inspector(graphs[0], folder).contents()


class _Inspector:
    """The serving function of one graph."""

    def __init__(self, graph: Any, folder: Path) -> None:
        self._graph, self._folder = graph, folder
        library = graph.graph_def.library.function
        self._functions = {each.signature.name: each.node_def for each in library}

    def contents(self) -> Contents:
        """Return the contents of the folder."""
        serving = self._graph.signature_def[SERVING]
        top = self._reached([each.name for each in serving.outputs.values()])
        followed = list(self._followed(top, 0))
        nodes = [node for node, _ in followed]
        operators = tuple(
            _operator(node, macs) for node, macs in followed if node.op not in NOT_SHOWN
        )
        variables = [node for node in top if node.op == "VarHandleOp"]
        return Contents(
            format="saved_model",
            facts={"made by": f"TensorFlow {self._graph.meta_info_def.tensorflow_version}"},
            inputs=_ends(serving.inputs),
            outputs=_ends(serving.outputs),
            operators=operators,
            parameters=_weights(variables, nodes),
            macs=total(each.macs for each in operators),
            known_macs=known_total(each.macs for each in operators),
            peak_activation_bytes=None,
            notes=(
                "it was not loaded, so its peak of activations is not known: compress writes files"
                " of it, whose costs inspect shows",
            ),
        )

    def _reached(self, tensors: Sequence[str]) -> list[Any]:
        """Return the nodes of the graph that tensors depend on, in its order."""
        nodes = {node.name: node for node in self._graph.graph_def.node}
        waiting, seen = [node_name(each) for each in tensors], set[str]()
        while waiting:
            name = waiting.pop()
            if name not in seen and name in nodes:
                waiting += map(node_name, nodes[name].input)
            seen.add(name)
        return [node for name, node in nodes.items() if name in seen]

    def _followed(
        self, nodes: Sequence[Any], depth: int, *, by_image: bool = True
    ) -> Iterator[tuple[Any, int | None]]:
        """Yield nodes, and those of the functions that they call, with their multiply-accumulates.

        ``by_image``: an image is one row of what they take.
        """
        if depth > DEEPEST:
            raise _damaged(self._folder, f"its functions call others more than {DEEPEST} deep")
        left = MOST_NODES
        shapes = shapes_of_an_image(nodes) if by_image else {}
        for node in nodes:
            yield node, macs_of(node, shapes) if node.op in PRODUCTS else None
            called = node.attr["f"].func.name if node.op in CALLS else ""
            is_row = by_image and (shapes.get(node.name) or ())[:1] == (1,)
            inner = self._functions.get(called, ())
            for each in self._followed(inner, depth + 1, by_image=is_row):
                left -= 1
                if left < 0:
                    raise _damaged(self._folder, f"it has more than {MOST_NODES:,} operations")
                yield each


def _operator(node: Any, macs: int | None) -> Operator:
    kind = node.attr["T"].type or node.attr["dtype"].type
    is_known = node.op in OPERATIONS and node.op not in PRODUCTS
    return Operator(
        name=node.name[:LONGEST_NAME],
        type=node.op[:LONGEST_NAME],
        output_shape=declared_shape(node),
        parameters=0 if is_known else None,
        macs=0 if is_known else macs,
        activation_type=_type(kind) if kind else "",
        weight_type="",
        weight_scales=0,
        weight_bytes=0,
        arithmetic="float",
    )


def _weights(variables: Sequence[Any], nodes: Sequence[Any]) -> int | None:
    """Return the number of weights in the variables and in the constants that are used."""
    counts = [
        count(sides_of(each.attr["shape"].shape))
        for each in variables
        if _type(each.attr["dtype"].type) in FLOATS
    ]
    return total([*counts, constant_weights(nodes)])


def _ends(tensors: Mapping[str, Any]) -> tuple[End, ...]:
    ends = []
    for name, each in sorted(tensors.items()):
        sides = sides_of(each.tensor_shape) or ()
        ends.append(
            End(
                name[:LONGEST_NAME],
                sides,
                _type(each.dtype),
                open_sides=("",) * sides.count(OPEN),
                has_shape=not each.tensor_shape.unknown_rank,
            )
        )
    return tuple(ends)


def _type(number: int) -> str:
    from tensorflow.core.framework import types_pb2

    if number not in types_pb2.DataType.values():
        return f"type {number}"
    name = str(types_pb2.DataType.Name(number)).removeprefix("DT_").lower()
    return {"float": "float32", "double": "float64", "half": "float16"}.get(name, name)


def _damaged(folder: Path, how: str) -> InputError:
    return InputError(
        str(folder), f"is a damaged SavedModel: {how}", remedy="export or download it again"
    )
