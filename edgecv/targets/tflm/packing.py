"""Files whose weights lie in look-up tables, which TFLite Micro unpacks while it runs."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import InputError
from edgecv.formats.tflite.tables import TFLiteTables

CHANNELS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}
"""By the kind of an operator, the axis of its weights that has a scale each, where they have."""
MOST_BITS = 7
TABLE_BYTES = 16
"""Bytes of a table beside its values."""


def packed(content: bytes, where: str) -> bytes:
    """Return a file with tables in place of weights where that is smaller.

    Weights with a scale a channel get a table a channel, others one: TFLite Micro reads them so.
    Raises InputError where no weights have few enough values.
    """
    from tflite_micro.tensorflow.lite.micro.compression import compress, spec

    tables = TFLiteTables(content, where)
    specs = {}
    for operator in tables.operators:
        filters = operator.inputs[1] if operator.kind in CHANNELS else None
        values = tables.values(filters)
        if filters is None or values is None or values.dtype != np.int8:
            continue
        axis = CHANNELS[operator.kind] if len(filters.scales) > 1 else None
        if bits := table_bits(values, axis):
            mode = spec.PerTensor() if axis is None else spec.PerChannel(axis)
            method = spec.LookUpTableCompression(bits, mode)
            specs[filters.number] = spec.Tensor(0, filters.number, [method])
    if not specs:
        raise InputError(
            where,
            "has no weights of few values, which tables could make smaller",
            accepted="int8 kernels of at most 16 values, or a few more",
            remedy="edgecv compress --cluster 16, or --to tflm",
        )
    return bytes(compress(content, list(specs.values())))


def table_bits(values: NDArray[Any], axis: int | None) -> int | None:
    """Return the bits of an index into the tables of weights; None where they save nothing.

    >>> table_bits(np.tile(np.arange(4, dtype=np.int8), 100), None)
    2
    >>> table_bits(np.arange(100, dtype=np.int8), None)
    """
    rows = values.reshape(1, -1)
    if axis is not None:
        rows = np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
    most = max(len(np.unique(row)) for row in rows)
    bits = max(1, math.ceil(math.log2(most)))
    needed = math.ceil(values.size * bits / 8) + len(rows) * most + TABLE_BYTES
    return bits if bits <= MOST_BITS and needed < values.size else None
