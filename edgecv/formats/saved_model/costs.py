"""Multiply-accumulates of a TensorFlow graph for an image, by the shapes that its nodes declare."""

from collections.abc import Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from math import prod
from typing import Any

from edgecv.formats.contents import OPEN, total
from edgecv.formats.saved_model.graph_probe import NORMALIZATIONS, node_name

PRODUCTS = frozenset(
    """
    Conv2D DepthwiseConv2dNative Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 MatMul BatchMatMul
    BatchMatMulV2 BatchMatMulV3 Einsum
    """.split()
)
"""Operations that multiply and add."""
SHAPES = "_output_shapes"
OTHER_BATCH = ("SpaceToBatchND", "BatchToSpaceND", "Gather", "GatherV2", "GatherNd")
"""Operations after which a batch may be another number of rows."""
JOINING = ("Concat", "ConcatV2", "Tile")
"""Operations that make longer either the batch, or a side of each image."""
LONGEST_EINSUM = 100
Shape = tuple[int, ...]
Shapes = Mapping[str, Shape | None]


def declared_shape(node: Any) -> Shape | None:
    """Return the shape of a node's first output; None where it is unknown."""
    shapes = node.attr[SHAPES].list.shape
    return sides_of(shapes[0]) if shapes else None


def sides_of(shape: Any) -> Shape | None:
    """Return the sides of a shape in TensorFlow's tables; None where their number is unknown."""
    if shape.unknown_rank:
        return None
    return tuple(dim.size if dim.size >= 0 else OPEN for dim in shape.dim)


def shapes_of_an_image(nodes: Sequence[Any]) -> Shapes:
    """Return the shape of each node's first output for one image, by the name of the node.

    An open first side is one row for each image, or several: after [-1, 16, 32] became [-1, 32],
    an image has 16 rows. None where a shape is unknown, or open in another side.
    """
    by_name = {node.name: node for node in nodes}
    found: dict[str, Shape | None] = {}
    takes = {name: [node_name(each) for each in node.input] for name, node in by_name.items()}
    try:
        ordered = list(TopologicalSorter(takes).static_order())
    except CycleError:
        return found
    is_open: set[str] = set()
    for name in ordered:
        if name not in by_name:
            continue
        node = by_name[name]
        shape = declared_shape(node)
        if any(sides_of(each) != shape for each in node.attr[SHAPES].list.shape):
            shape = shape if node.op in NORMALIZATIONS else None  # Statistics are taken by nothing.
        found[name] = shape
        if shape is not None and OPEN in shape:
            sources = [found[each] for each in takes[name] if each in is_open]
            others = [found.get(each) for each in takes[name] if each not in is_open]
            found[name] = _of_an_image(
                node, shape, sources[0] if sources else (1, *shape[1:]), others
            )
            is_open.add(name)
    return found


def _of_an_image(
    node: Any, shape: Shape, source: Shape | None, others: Sequence[Shape | None]
) -> Shape | None:
    """Return a shape with its open first side filled in; ``source``: what it was made of.

    A shape of one side stands for any with as many elements.
    """
    inner = shape[1:]
    if source is None or OPEN in source or node.op in OTHER_BATCH:
        return None
    if OPEN in inner:
        return (prod(source),) if node.op == "Reshape" else None
    if node.op in JOINING and inner == source[1:]:
        return None
    if node.op == "Reshape":
        row = prod(inner)
    elif len(source) > 1 or not inner:
        return (source[0], *inner)
    elif node.op == "MatMul" and others and others[0]:
        row = _shared(node, others[0])
    else:
        return None
    rows, rest = divmod(prod(source), max(1, row))
    return None if rest else (rows, *inner)


def _shared(node: Any, kernel: Shape) -> int:
    """Return the side of the second factor of a product that is summed over."""
    is_turned = node.attr["transpose_b"].b or node.attr["adj_y"].b
    return kernel[-1] if is_turned or len(kernel) < 2 else kernel[-2]


def macs_of(node: Any, shapes: Shapes) -> int | None:
    """Return the multiply-accumulates of one of ``PRODUCTS`` for one image; None where unknown."""
    given = shapes.get(node.name)
    taken = [shapes.get(node_name(each)) for each in node.input if not each.startswith("^")]
    other = taken[1] if len(taken) > 1 else None
    if given is None or not other:
        return None
    match node.op:
        case "Conv2D" | "Conv3D":
            return prod(given) * prod(other[:-1])
        case "DepthwiseConv2dNative":
            return prod(given) * prod(other[:2])
        case "Conv2DBackpropInput" | "Conv3DBackpropInputV2":
            data = taken[2] if len(taken) > 2 else None
            return None if data is None else prod(data) * prod(other[:-1])
        case "Einsum":
            return _einsum_macs(node.attr["equation"].s, taken)
    return prod(given) * _shared(node, other)


def total_macs(nodes: Sequence[Any]) -> int | None:
    """Return the multiply-accumulates of a graph for one image; None where one is unknown."""
    shapes = shapes_of_an_image(nodes)
    return total(macs_of(node, shapes) for node in nodes if node.op in PRODUCTS)


def _einsum_macs(equation: bytes, taken: Sequence[Shape | None]) -> int | None:
    """Return the product of all sides: those that are summed over, and those that are kept."""
    terms = equation.decode("ascii", "replace").replace(" ", "").partition("->")[0].split(",")
    known = [shape for shape in taken if shape is not None]
    if len(equation) > LONGEST_EINSUM or "." in equation.decode("ascii", "replace"):
        return None
    if len(known) < len(taken) or [*map(len, terms)] != [*map(len, known)]:
        return None
    sides = {
        letter: side
        for term, shape in zip(terms, known, strict=True)
        for letter, side in zip(term, shape, strict=True)
    }
    return prod(sides.values())
