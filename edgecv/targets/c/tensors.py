"""Facts of tensors that C code is written by."""

import math

import numpy as np

from edgecv.core.text import counted
from edgecv.formats.dtypes import BITS
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.targets.c.fixed_point import real, rounded
from edgecv.targets.c.unsupported import UnsupportedInC, damaged_unless

LONGEST_SIDE = 32767
LARGEST_TENSOR = 2**28
C_TYPES = {
    "int8": "int8_t",
    "uint8": "uint8_t",
    "int16": "int16_t",
    "uint16": "uint16_t",
    "int32": "int32_t",
    "float32": "float",
    "float64": "double",
}
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}
NONE, RELU, RELU_N1_TO_1, RELU6 = range(4)
BOUNDS = {
    NONE: (-math.inf, math.inf),
    RELU: (0.0, math.inf),
    RELU_N1_TO_1: (-1.0, 1.0),
    RELU6: (0.0, 6.0),
}


def ends_of_one_size(operator: TFLiteOperator) -> tuple[TFLiteTensor, TFLiteTensor, int]:
    """Return the one input and the one output of an operator, and the elements that each has."""
    source, output = only(operator)
    count = elements(source)
    damaged_unless(elements(output) == count, "its output has another size")
    return source, output, count


def only(operator: TFLiteOperator, inputs: int = 1) -> tuple[TFLiteTensor, TFLiteTensor]:
    """Return the first input and the one output of an operator that has so many inputs."""
    damaged_unless(
        len(operator.inputs) == inputs and len(operator.outputs) == 1,
        f"it has {counted(len(operator.inputs), 'input')} and"
        f" {counted(len(operator.outputs), 'output')}",
    )
    source = operator.inputs[0]
    if source is None:
        raise UnsupportedInC("an input that is left out")
    return source, operator.outputs[0]


def size(tensor: TFLiteTensor) -> int:
    """Return the bytes of an element."""
    if tensor.type not in C_TYPES:
        raise UnsupportedInC(f'"{tensor.first_name}" of {tensor.type}')
    return BITS[tensor.type] // 8


def elements(tensor: TFLiteTensor) -> int:
    """Return the number of elements; sides that are open or too long are refused."""
    for side in tensor.shape:
        if not 0 < side <= LONGEST_SIDE:
            found = "is open" if side < 0 else f"has a side of {side:,}"
            raise UnsupportedInC(f'the shape of "{tensor.first_name}" {found}')
    count = math.prod(tensor.shape)
    if count * size(tensor) > LARGEST_TENSOR:
        raise UnsupportedInC(f'"{tensor.first_name}" has {count:,} elements')
    return count


def sides(end: str, tensor: TFLiteTensor) -> dict[str, object]:
    """Return height, width and channels of an image as fields of a struct in C."""
    names = (f"{end}_height", f"{end}_width", f"{end}_channels")
    return dict(zip(names, tensor.shape[1:], strict=True))


def kind_of(*tensors: TFLiteTensor) -> str:
    """Return the one type of some tensors: int8 or float32."""
    kinds = {each.type for each in tensors}
    if len(kinds) == 1 and kinds <= {"int8", "float32"}:
        return kinds.pop()
    raise UnsupportedInC(f"it takes {' and '.join(sorted(kinds))}")


def quantization(tensor: TFLiteTensor) -> tuple[float, int]:
    """Return the one scale and zero point of a quantized tensor."""
    lowest, highest = LIMITS.get(tensor.type, (0, 0))
    zero = tensor.zero_point
    if (
        len(tensor.scales) != 1
        or zero is None
        or not tensor.has_finite_scales
        or tensor.scales[0] <= 0
        or not lowest <= zero <= highest
    ):
        raise UnsupportedInC(f'"{tensor.first_name}" has no scale and zero point')
    return tensor.scales[0], zero


def activation_limits(operator: TFLiteOperator, output: TFLiteTensor) -> tuple[str, str]:
    """Return C for the lowest and highest value, or code, that a fused activation lets through."""
    activation = operator.option("FusedActivationFunction")
    if activation not in BOUNDS:
        raise UnsupportedInC(f"its fused activation {activation}")
    low, high = BOUNDS[activation]
    if output.type == "float32":
        return real(low), real(high)
    scale, zero = quantization(output)
    lowest, highest = LIMITS[output.type]
    if math.isfinite(low):
        lowest = max(lowest, zero + rounded(np.float32(low) / np.float32(scale)))
    if math.isfinite(high):
        highest = min(highest, zero + rounded(np.float32(high) / np.float32(scale)))
    return str(lowest), str(highest)
