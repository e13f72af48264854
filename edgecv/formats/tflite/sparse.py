"""Constants that a TFLite file stores without their zeros, as numbers with them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

DENSE = 0
"""The format of a dimension all of whose places are stored; of others, those that are not zero."""
LARGEST = 2**28
Integers = NDArray[np.int64]


def densified(sparsity: Any, stored: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Return all values of a sparse constant: (N,) stored -> ``shape``.

    Dimensions are stored in the traversal order, those of blocks last, each dense or as segments
    and indices (the TACO format, https://doi.org/10.1145/3133901). Raises ValueError where the
    tables contradict each other or the shape.
    """
    order, blocks = (
        np.atleast_1d(each).astype(np.int64).tolist() if length else []
        for each, length in (
            (sparsity.TraversalOrderAsNumpy(), sparsity.TraversalOrderLength()),
            (sparsity.BlockMapAsNumpy(), sparsity.BlockMapLength()),
        )
    )
    rank = len(shape)
    if sorted(order) != list(range(rank + len(blocks))) or any(b >= rank or b < 0 for b in blocks):
        raise ValueError("its sparse dimensions are not those of its shape")
    if sparsity.DimMetadataLength() != len(order) or np.prod(shape, dtype=float) > LARGEST:
        raise ValueError("its sparse dimensions are not those of its shape")
    levels = [sparsity.DimMetadata(level) for level in range(len(order))]
    widths = dict.fromkeys(range(rank), 1)
    for dimension, level in zip(order, levels, strict=True):
        if dimension >= rank:
            widths[blocks[dimension - rank]] = int(level.DenseSize())
    places = np.zeros((1, rank), np.int64)
    parents = np.zeros(1, np.int64)
    for dimension, level in zip(order, levels, strict=True):
        rows, indices, parents = _children(level, parents)
        places = places[rows]
        if dimension < rank:
            places[:, dimension] += indices * widths[dimension]
        else:
            places[:, blocks[dimension - rank]] += indices
    if len(places) != len(stored) or (len(places) and (places >= shape).any()):
        raise ValueError("its sparse values are not as many as its indices")
    dense = np.zeros(shape, stored.dtype)
    dense[tuple(places.T)] = stored
    return dense


def _children(level: Any, parents: Integers) -> tuple[Integers, Integers, Integers]:
    """Return, for each entry of the next level, the row of its parent, its index and its number."""
    if level.Format() == DENSE:
        size = int(level.DenseSize())
        if not 0 < size <= LARGEST // max(len(parents), 1):
            raise ValueError("a sparse dimension has no size")
        rows = np.repeat(np.arange(len(parents)), size)
        indices = np.tile(np.arange(size), len(parents))
        return rows, indices, parents[rows] * size + indices
    segments = _vector(level.ArraySegmentsType(), level.ArraySegments())
    indices = _vector(level.ArrayIndicesType(), level.ArrayIndices())
    if len(segments) <= parents.max(initial=-1) + 1:
        raise ValueError("its sparse segments are too few")
    counts = segments[parents + 1] - segments[parents]
    if (counts < 0).any() or counts.sum() != len(indices) or (np.diff(segments) < 0).any():
        raise ValueError("its sparse segments do not grow")
    if (indices < 0).any():
        raise ValueError("a sparse index is negative")
    return np.repeat(np.arange(len(parents)), counts), indices, np.arange(len(indices))


def _vector(kind: int, union: Any) -> Integers:
    """Return the integers of a vector, which is of one of three types."""
    from ai_edge_litert import schema_py_generated as schema

    kinds = schema.SparseIndexVector
    classes = {
        kinds.Int32Vector: schema.Int32Vector,
        kinds.Uint16Vector: schema.Uint16Vector,
        kinds.Uint8Vector: schema.Uint8Vector,
    }
    if union is None or kind not in classes:
        raise ValueError("a sparse dimension has no indices")
    vector = classes[kind]()
    vector.Init(union.Bytes, union.Pos)
    found: Integers = np.asarray(vector.ValuesAsNumpy()).reshape(-1).astype(np.int64)
    return found
