"""Weights of 4 bits in a TFLite file: kernels of int8 are rounded again, two weights a byte."""

from collections import Counter
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import listed
from edgecv.formats.export_checks import SHOWN
from edgecv.formats.kernel_layout import layer_kernels, names_of
from edgecv.formats.tflite.check import (
    KERNEL_INPUT,
    KERNEL_OPERATORS,
    constant_kernels,
    kernels_in,
)
from edgecv.formats.tflite.layout import written
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.formats.tflite.tree import TableNode, TreeReader, vector

LARGEST_CODE = 7
FAST = "FULLY_CONNECTED"
"""The operator that XNNPACK runs with weights of 4 bits, as fast as with 8."""
SLOW = ("CONV_2D", "DEPTHWISE_CONV_2D")
"""Operators whose weights the built-in kernels unpack again for each image."""
INT4 = 17
"""Its number in the schema."""


def with_four_bits(
    content: bytes,
    model: KerasModel,
    bits: Mapping[str, int],
    where: str,
    *,
    is_mixed: bool = False,
) -> tuple[bytes, tuple[str, ...]]:
    """Return a file of ``model`` in which the named layers have weights of 4 bits, and notes.

    ``bits``: bits by the name pattern of layers; the first that matches. ``is_mixed``: they were
    asked for as the precisions of layers. Raises StepError where a
    pattern matches none, or a layer that would be slow and is not named in full.
    """
    tables = TFLiteTables(content, where)
    layers = {layer.name: layer for layer in layer_kernels(model, "tflite")}
    names = names_of(kernels_in(content, where), list(layers.values()))
    found = {
        name: place
        for name, place in zip(names, constant_kernels(tables), strict=True)
        if name is not None
    }
    option = "layers" if is_mixed else "bits"
    # Of layers of a mixed file, those that are no kernels of the model can have 8 bits too.
    for pattern in (each for each in bits if bits[each] == 4 or not is_mixed):
        if not any(fnmatchcase(name, pattern) for name in found):
            raise StepError(
                where,
                f'{option}: "{pattern}" matches no layer',
                accepted=listed(list(found), SHOWN),
            )
    chosen = []
    for name, place in found.items():
        matching = [pattern for pattern in bits if fnmatchcase(name, pattern)]
        if matching and bits[matching[0]] == 4:
            if matching[0] != name or place[0].kind not in SLOW:
                entry = (
                    f'layers = {{"{name}" = "int4"}}' if is_mixed else f'bits = {{"{name}" = 4}}'
                )
                _check_runs(name, place[0].kind, where, entry)
            chosen.append(name)
    editor = Editor(content, tables)
    for name in chosen:
        editor.round(found[name][1], layers[name].outputs)
    notes = [f"weights of 4 bits: {', '.join(chosen)}"] if chosen else []
    if slow := [name for name in chosen if found[name][0].kind != FAST]:
        notes.append(
            f"LiteRT unpacks the weights of {', '.join(slow)} for each image: much slower there"
        )
    return editor.content(), tuple(notes)


def _check_runs(name: str, kind: str, where: str, entry: str) -> None:
    """Raise StepError unless a layer runs as fast with 4 bits. ``entry``: it by its full name."""
    if kind == FAST:
        return
    slow = kind in SLOW
    raise StepError(
        where,
        f"4 bits were asked for {name}, a {kind}: "
        + ("LiteRT unpacks its weights for each image" if slow else "no runtime takes them"),
        accepted="4 bits for dense layers",
        remedy=f"for TFLite Micro or C name it in full: {entry}"
        if slow
        else f"leave {name} out of {entry.split()[0]}",
    )


class Editor:
    """The tree of a file whose kernels are rounded again."""

    def __init__(self, content: bytes, tables: TFLiteTables) -> None:
        self._tables = tables
        self._model = TreeReader(content).model()
        self._graph = self._model.tables("Subgraphs")[0].copy()
        self._model.values["Subgraphs"][0] = self._graph
        self._tensors = self._graph.tables("Tensors")
        self._users = Counter(tensor.buffer for tensor in tables.tensors)

    def content(self) -> bytes:
        """Return the bytes of the file."""
        return written(self._model)

    def round(self, tensor: TFLiteTensor, axis: int) -> None:
        """Round a kernel to 4 bits, and biases to the new steps. ``axis``: of its outputs."""
        codes, steps = self._tables.values(tensor), np.array(tensor.scales)
        assert codes is not None
        is_one = len(set(tensor.scales)) == 1
        rest = tuple(each for each in range(codes.ndim) if is_one or each != axis)
        largest = np.abs(codes.astype(np.int64)).max(axis=rest, keepdims=True)
        # What training has rounded to 4 bits has no larger codes: it stays as it is.
        factor = np.where(largest > LARGEST_CODE, largest / LARGEST_CODE, 1.0)
        rounded = np.clip(np.round(codes / factor), -LARGEST_CODE, LARGEST_CODE).astype(np.int8)
        scales = (steps * factor.ravel()).astype(np.float32)
        self._write(tensor, packed_nibbles(rounded), scales)
        self._tensors[tensor.number].values["Type"] = INT4
        for operator in self._tables.operators:
            # A layer that is used twice has one kernel, and a bias for each use.
            if _kernel_number(operator) == tensor.number:
                self._round_bias(operator, scales)

    def _round_bias(self, operator: TFLiteOperator, scales: NDArray[np.float32]) -> None:
        """Round the bias of an operator to the steps that follow from those of its kernel."""
        bias = operator.inputs[2] if len(operator.inputs) > 2 else None
        values = self._tables.values(bias)
        if bias is None or values is None or not bias.scales:
            return
        given = operator.inputs[0]
        assert given is not None
        after = scales.astype(np.float64) * given.scales[0]
        again = np.round(values * np.array(bias.scales) / after).astype(values.dtype)
        self._write(bias, again.tobytes(), after.astype(np.float32))

    def _write(self, tensor: TFLiteTensor, content: bytes, scales: NDArray[Any]) -> None:
        """Give a tensor other values and scales: a buffer that others have too stays."""
        node = self._tensors[tensor.number] = self._tensors[tensor.number].copy()
        quantization = node.values["Quantization"] = node.values["Quantization"].copy()
        quantization.values["Scale"] = vector(scales.astype("<f4").tobytes(), 4)
        buffers = self._model.tables("Buffers")
        buffer = TableNode("Buffer", {"Data": vector(content, 1)})
        if self._users[tensor.buffer] == 1:
            buffers[tensor.buffer] = buffer
        else:
            node.values["Buffer"] = len(buffers)
            buffers.append(buffer)


def _kernel_number(operator: TFLiteOperator) -> int | None:
    """Return the tensor of the weights that an operator multiplies by; None for another kind."""
    kernel = operator.inputs[KERNEL_INPUT] if operator.kind in KERNEL_OPERATORS else None
    return None if kernel is None else kernel.number


def packed_nibbles(codes: NDArray[Any]) -> bytes:
    """Return integers of 4 bits, two a byte, the first in the low half.

    >>> packed_nibbles(np.array([1, -1, 7], np.int8)).hex()
    'f107'
    """
    flat = codes.ravel().view(np.uint8) & 0x0F
    even = np.append(flat, np.zeros(len(flat) % 2, np.uint8))
    return bytes(even[0::2] | even[1::2] << 4)
