"""One scale for single kernels of a TFLite file, so that their equal weights stay equal.

The converter has one scale a channel for all kernels of a file, or one a kernel for all of them.
So the kernels are rounded again, each with one scale that is written for every channel: in place,
the file keeps its structure.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.formats.kernel_layout import LayerKernel, layer_kernels, names_of, rows_of
from edgecv.formats.tflite.check import constant_kernels, kernels_in
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.models.quantizers import trained_kernels

LARGEST_CODE = 127
LARGEST_SPREAD = 0.02
"""Largest relative difference of the factors that outputs got: more is a folded normalization."""
BIAS_INPUT = {"TRANSPOSE_CONV": 3}
DATA_INPUT = {"TRANSPOSE_CONV": 2}


def with_one_scale(content: bytes, model: KerasModel, names: Sequence[str], where: str) -> bytes:
    """Return a file of ``model`` in which the kernels of the named layers have one scale each.

    Raises StepError if the converter has changed such a kernel channel by channel.
    """
    tables = TFLiteTables(content, where)
    edited = bytearray(content)
    layers = {layer.name: layer for layer in layer_kernels(model, "tflite")}
    found = names_of(kernels_in(content, where), list(layers.values()))
    trained = {kernel.name: kernel.scales for kernel in trained_kernels(model)}
    _check_unshared(tables, where)
    for name, (operator, tensor) in zip(found, constant_kernels(tables), strict=True):
        if name in names and len(tensor.scales) > 1:
            assert name is not None
            step = np.abs(layers[name].weights).max() / LARGEST_CODE
            if name in trained and trained[name].size == 1:
                step = trained[name].item()
            _rewrite(edited, tables, layers[name], (operator, tensor), step, where)
    return bytes(edited)


def _rewrite(
    edited: bytearray,
    tables: TFLiteTables,
    layer: LayerKernel,
    place: tuple[TFLiteOperator, TFLiteTensor],
    step: float,
    where: str,
) -> None:
    """Round one kernel and its bias again. ``step``: the scale of the layer's own kernel."""
    operator, tensor = place
    codes, steps = tables.values(tensor), np.array(tensor.scales)
    assert codes is not None
    own, true = rows_of(codes, layer)
    own = own * steps[:, np.newaxis]
    scale = _factor(own, true, layer.name, where) * step
    rounded = np.clip(np.round(layer.weights / step), -LARGEST_CODE, LARGEST_CODE)
    _write(edited, tensor, rounded.reshape(codes.shape).astype(codes.dtype))
    tables.write_scales(edited, tensor, np.full(len(steps), scale))
    bias_input = BIAS_INPUT.get(operator.kind, 2)
    bias = operator.inputs[bias_input] if len(operator.inputs) > bias_input else None
    values = tables.values(bias)
    if bias is None or values is None or not bias.scales:
        return
    given = operator.inputs[DATA_INPUT.get(operator.kind, 0)]
    assert given is not None
    before, after = np.array(bias.scales), np.full(len(bias.scales), scale * given.scales[0])
    _write(edited, bias, np.round(values * before / after).astype(values.dtype))
    tables.write_scales(edited, bias, after)


def _factor(own: NDArray[np.float64], true: NDArray[np.float64], name: str, where: str) -> float:
    """Return the factor that a converter folded into a kernel: of the pixels, the same for all."""
    norms = np.linalg.norm(true, axis=1)
    is_used = norms > 0
    ratios = (own * true).sum(axis=1)[is_used] / norms[is_used] ** 2
    weights = norms[is_used] ** 2
    mean = float(np.average(ratios, weights=weights)) if is_used.any() else 1.0
    spread = np.average(np.abs(ratios / mean - 1), weights=weights) if is_used.any() else 0.0
    if spread > LARGEST_SPREAD:
        raise StepError(
            where,
            f"one scale was asked for {name}, and the converter has folded a normalization into it:"
            " equal weights of different outputs are not equal any more",
            remedy="leave this layer out of one_scale",
        )
    return 1.0 if abs(mean - 1) < LARGEST_SPREAD else mean


def _write(edited: bytearray, tensor: TFLiteTensor, values: NDArray[Any]) -> None:
    assert tensor.place is not None
    content = values.tobytes()
    edited[tensor.place : tensor.place + len(content)] = content


def _check_unshared(tables: TFLiteTables, where: str) -> None:
    """Raise StepError if two kernels lie in one buffer."""
    counts = Counter(tensor.buffer for _, tensor in constant_kernels(tables))
    if shared := [tensor for _, tensor in constant_kernels(tables) if counts[tensor.buffer] > 1]:
        raise StepError(
            where,
            f"one scale was asked for, and {shared[0].first_name} shares its weights with another",
            remedy="leave one_scale out for this model",
        )
