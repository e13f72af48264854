"""Convolutions and dense layers."""

import numpy as np

from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.targets.c.operators.weighted_layer import WeightedLayer
from edgecv.targets.c.overlap import distance
from edgecv.targets.c.program import SCRATCH, Program
from edgecv.targets.c.tensors import (
    elements,
    size,
)
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless
from edgecv.targets.c.windows import Window, axes

LANES = 8
TAPS = 16
"""The weights of a filter are filled up to a multiple of it, which vector instructions take."""


def _layer(
    program: Program, operator: TFLiteOperator, places: tuple[int, int, int] = (0, 1, 2)
) -> WeightedLayer:
    """Return an operator's layer. ``places``: of its image, weights and bias among its inputs."""
    given = (*operator.inputs, None, None, None)
    source, filters, bias = (given[place] for place in places)
    if source is None or filters is None:
        raise UnsupportedInC("an input that is left out")
    axis = 3 if operator.kind == "DEPTHWISE_CONV_2D" else 0
    return WeightedLayer(program, operator, source, filters, bias, axis)


def convolution(program: Program, operator: TFLiteOperator) -> None:
    """CONV_2D, grouped and dilated."""
    layer = _layer(program, operator)
    weights = layer.weights(4)
    outputs, height, width, depth = weights.shape
    window = _window(layer, (height, width), outputs)
    groups, rest = divmod(layer.source.shape[3], depth)
    damaged_unless(not rest and outputs % groups == 0, "its groups have no channels")
    if layer.kind == "float32":
        layer.add("convolution", window, np.moveaxis(weights, 0, -1), window.above(), more=(depth,))
        return
    taps = height * width * depth
    padded = -(-taps // TAPS) * TAPS
    sizes = depth, padded, layer.row_bytes(padded), SCRATCH
    layer.add(
        "convolution",
        window,
        np.pad(weights.reshape(outputs, taps), ((0, 0), (0, padded - taps))),
        # The next group is read after two pixels of this one are written.
        window.above() if groups == 1 else {},
        more=(outputs if program.arithmetic == "builtin" and groups == 1 else 0, *sizes),
        scratch=2 * padded * np.dtype(np.int16).itemsize,
    )


def depthwise(program: Program, operator: TFLiteOperator) -> None:
    """DEPTHWISE_CONV_2D."""
    layer = _layer(program, operator)
    weights = layer.weights(4)
    one, height, width, outputs = weights.shape
    window = _window(layer, (height, width), outputs)
    damaged_unless(
        one == 1 and outputs % layer.source.shape[3] == 0, "its weights are for other channels"
    )
    layer.add("depthwise", window, weights, window.above(), more=_lanes(layer))


def transposed(program: Program, operator: TFLiteOperator) -> None:
    """TRANSPOSE_CONV."""
    layer = _layer(program, operator, (2, 1, 3))
    weights = layer.weights(4)
    outputs, height, width, depth = weights.shape
    # It goes from the output of a convolution back to its input.
    across = axes(operator, layer.output.shape[1:3], layer.source.shape[1:3], (height, width))
    window = Window(layer.source, layer.output, across)
    damaged_unless(
        depth == layer.source.shape[3] and outputs == layer.output.shape[3],
        "its weights are for other channels",
    )
    above = window.above(transposed=True)
    layer.add("transposed", window, weights, above, more=_lanes(layer))


def dense(program: Program, operator: TFLiteOperator) -> None:
    """FULLY_CONNECTED."""
    layer = _layer(program, operator)
    if operator.option("WeightsFormat"):
        raise UnsupportedInC("its shuffled weights")
    weights = layer.weights(2)
    outputs, inputs = weights.shape
    rows = elements(layer.source) // inputs
    damaged_unless(
        rows * inputs == elements(layer.source)
        and rows * outputs == elements(layer.output)
        and layer.output.shape[-1] == outputs,
        "its weights are for other sizes",
    )
    read, written = inputs * size(layer.source), outputs * size(layer.output)
    is_reference, is_float = program.arithmetic == "reference", layer.kind == "float32"
    in_eights = 0 if is_reference else inputs - inputs % 8
    layer.add(
        "dense_real" if is_reference and not is_float else "dense",
        (rows, inputs, outputs) if is_float else (rows, inputs, outputs, layer.row_bytes(inputs)),
        weights,
        {layer.source.number: distance(range(rows), [0], 1, read, written)},
        more=(in_eights,) if is_float else (),
    )


def _lanes(layer: WeightedLayer) -> tuple[int, ...]:
    """Return the number of the first channels that LiteRT rounds by vector instructions."""
    if layer.kind == "float32":
        return ()
    channels = layer.output.shape[3]
    return (channels - channels % LANES if layer.program.arithmetic == "builtin" else 0,)


def _window(layer: WeightedLayer, taps: tuple[int, int], outputs: int) -> Window:
    damaged_unless(layer.output.shape[-1] == outputs, "its weights are for other channels")
    across = axes(layer.operator, layer.source.shape[1:3], layer.output.shape[1:3], taps)
    return Window(layer.source, layer.output, across)


WRITERS = {
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "TRANSPOSE_CONV": transposed,
    "FULLY_CONNECTED": dense,
}
