"""Reads a TFLite file back and checks that the types asked for are really in it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from edgecv.core.errors import StepError
from edgecv.formats.export_checks import listed
from edgecv.formats.exported_layers import StoredKernel

KERNEL_INPUT = 1
INT8_SHIFT = 128
KERNEL_OPERATORS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "CONV_3D")
FLOATS = ("FLOAT16", "BFLOAT16", "FLOAT32", "FLOAT64")
KERNEL_TYPE = {
    "float32": "FLOAT32",
    "float16": "FLOAT16",
    "dynamic": "INT8",
    "int8": "INT8",
    "int16x8": "INT8",
}
ENDS = {"int8": ("UINT8", "INT8"), "int16x8": ("INT16", "INT16")}
LARGEST_FLOAT16 = 65504.0
SMALLEST_DYNAMIC = 1024
"""Elements below which the converter leaves a kernel in float32, where only weights are int8."""


@dataclass(frozen=True)
class Tensor:
    """One tensor of the file. ``data`` is empty where it is not a constant."""

    name: str
    type: str
    elements: int
    data: bytes
    scales: tuple[float, ...] = ()
    zero_point: int | None = None


@dataclass(frozen=True)
class Operator:
    """One operator of the file."""

    type: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]

    def __str__(self) -> str:
        # Converters join the names of all that was fused; the first says enough.
        return f'{self.type} "{self.outputs[0].name.split(";")[0]}"'


@dataclass(frozen=True)
class Graph:
    """All operators of the file, and its ends."""

    operators: tuple[Operator, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]


def prove(content: bytes, precision: str, where: str, io: str | None = None) -> tuple[str, ...]:
    """Return sentences on what was found. Raises StepError where it is not ``precision``.

    ``io``: the type of the input, where it is another than usual.
    """
    graph = read_graph(content)
    if precision in ENDS:
        usual, output = ENDS[precision]
        ends = io.upper() if io else usual, "FLOAT32" if io == "float32" else output
        _check_integers(graph, precision, ends, where)
    else:
        _check_not_quantized(graph, precision, where)
    kernels = [
        (operator, kernel) for operator in graph.operators if (kernel := _kernel(operator, graph))
    ]
    wanted = KERNEL_TYPE[precision]
    others = [(operator, kernel) for operator, kernel in kernels if kernel.type != wanted]
    if precision == "dynamic":
        return _prove_dynamic(kernels, others, where)
    if others:
        found = sorted({kernel.type.lower() for _, kernel in others})
        raise StepError(
            where,
            f"{precision} was asked for; the weights of {len(others)} operators came back"
            f" {' and '.join(found)}: {listed([str(operator) for operator, _ in others])}",
        )
    if precision == "float16":
        _check_range(kernels, where)
    if precision == "int16x8":
        return (
            "a PC has no fast kernels for int16 activations: its latency says nothing of a device",
        )
    return ()


def _check_integers(graph: Graph, precision: str, wanted: tuple[str, str], where: str) -> None:
    floats = [
        operator
        for operator in graph.operators
        if any(tensor.type in FLOATS for tensor in operator.inputs + operator.outputs)
        and not ("FLOAT32" in wanted and _stands_at_an_end(operator, graph))
    ]
    if floats:
        raise StepError(
            where,
            f"{precision} was asked for; {len(floats)} operators came back with floats:"
            f" {listed([str(operator) for operator in floats])}",
            remedy="replace these layers, or choose float16",
        )
    ends = tuple(tensor.type for tensor in graph.inputs + graph.outputs)
    if ends != wanted:
        raise StepError(
            where,
            f"{precision} was asked for; input and output came back {' and '.join(ends).lower()}",
            accepted=" and ".join(wanted).lower(),
        )


def _stands_at_an_end(operator: Operator, graph: Graph) -> bool:
    """Tell whether an operator only quantizes the input, or makes floats of the answer."""
    if operator.type == "QUANTIZE":
        return operator.inputs[0] in graph.inputs
    return operator.type == "DEQUANTIZE" and operator.outputs[0] in graph.outputs


def _check_not_quantized(graph: Graph, precision: str, where: str) -> None:
    # LiteRT's answers from such a mixture were far from the model's own (CIFAR CNN: 38% alike).
    quantized = [operator for operator in graph.operators if operator.type == "QUANTIZE"]
    if quantized:
        raise StepError(
            where,
            f"{precision} was asked for; {len(quantized)} operators quantize activations:"
            f" {listed([str(operator) for operator in quantized])}",
            remedy="a model that was trained with quantization is exported as int8",
        )


def _prove_dynamic(
    kernels: list[tuple[Operator, Tensor]], others: list[tuple[Operator, Tensor]], where: str
) -> tuple[str, ...]:
    large = [str(each) for each, kernel in others if kernel.elements >= SMALLEST_DYNAMIC]
    if large:
        raise StepError(
            where,
            f"dynamic was asked for; the weights of {len(large)} operators came back float32:"
            f" {listed(large)}",
        )
    if len(others) == len(kernels):
        raise StepError(
            where,
            "dynamic was asked for; every weight came back float32",
            accepted=f"layers with {SMALLEST_DYNAMIC} weights and more",
            remedy="choose int8: this model is too small for dynamic to change anything",
        )
    if not others:
        return ()
    return (
        f"float32 are the weights of {len(others)} of {len(kernels)} layers, which have fewer than"
        f" {SMALLEST_DYNAMIC}: {listed([str(operator) for operator, _ in others])}",
    )


def _check_range(kernels: list[tuple[Operator, Tensor]], where: str) -> None:
    for operator, kernel in kernels:
        # The converter writes the largest float16 in place of what is larger still.
        if not (np.abs(np.frombuffer(kernel.data, np.float16)) < LARGEST_FLOAT16).all():
            raise StepError(
                where,
                f"weights of {operator} are too large for float16",
                accepted=f"weights between -{LARGEST_FLOAT16:.0f} and {LARGEST_FLOAT16:.0f}",
                remedy="choose float32 or int8",
            )


def kernels_in(content: bytes) -> list[StoredKernel]:
    """Return the weights of each layer as they are stored, in the order of the file."""
    graph = read_graph(content)
    found = []
    for operator in graph.operators:
        if (kernel := _kernel(operator, graph)) is None:
            continue
        output = operator.outputs[0]
        quantized = output.type in ("INT8", "UINT8") and len(output.scales) == 1
        shift = INT8_SHIFT if output.type == "INT8" else 0
        found.append(
            StoredKernel(
                weights=np.frombuffer(kernel.data, np.dtype(kernel.type.lower())),
                scales=kernel.scales,
                output_scale=output.scales[0] if quantized else None,
                output_zero_point=(output.zero_point or 0) + shift if quantized else None,
            )
        )
    return found


def _kernel(operator: Operator, graph: Graph) -> Tensor | None:
    """Return an operator's constant weights, None where it has none."""
    if operator.type not in KERNEL_OPERATORS:
        return None
    kernel = operator.inputs[KERNEL_INPUT]
    if kernel.data:
        return kernel
    # float16 weights reach their operator through a DEQUANTIZE, which LiteRT folds away.
    for other in graph.operators:
        if other.type == "DEQUANTIZE" and kernel in other.outputs:
            return other.inputs[0] if other.inputs[0].data else None
    return None


def _numbers(tensor: Any, kind: str) -> tuple[float, ...]:
    """Return the scales or the zero points of a tensor, none where it is not quantized."""
    quantization = tensor.Quantization()
    values = None if quantization is None else getattr(quantization, f"{kind}AsNumpy")()
    return tuple(map(float, values)) if isinstance(values, np.ndarray) else ()


def read_graph(content: bytes) -> Graph:
    """Read the main graph of a TFLite file."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    operator_names = _names(schema.BuiltinOperator)
    type_names = _names(schema.TensorType)
    subgraph = model.Subgraphs(0)

    def tensor(index: int) -> Tensor:
        found = subgraph.Tensors(index)
        data = model.Buffers(found.Buffer()).DataAsNumpy()
        return Tensor(
            name=found.Name().decode(),
            type=type_names[found.Type()],
            elements=int(np.prod(found.ShapeAsNumpy())) if found.ShapeLength() else 1,
            data=data.tobytes() if isinstance(data, np.ndarray) else b"",
            scales=_numbers(found, "Scale"),
            zero_point=next(iter(map(int, _numbers(found, "ZeroPoint"))), None),
        )

    tensors = [tensor(index) for index in range(subgraph.TensorsLength())]

    def each(length: int, index_of: Callable[[int], int]) -> tuple[Tensor, ...]:
        indices = [index_of(number) for number in range(length)]
        return tuple(tensors[index] for index in indices if index >= 0)  # -1: left out

    def operator(found: Any) -> Operator:
        code = model.OperatorCodes(found.OpcodeIndex())
        number = max(code.BuiltinCode(), code.DeprecatedBuiltinCode())
        return Operator(
            type=operator_names[number],
            inputs=each(found.InputsLength(), found.Inputs),
            outputs=each(found.OutputsLength(), found.Outputs),
        )

    return Graph(
        operators=tuple(
            operator(subgraph.Operators(number)) for number in range(subgraph.OperatorsLength())
        ),
        inputs=each(subgraph.InputsLength(), subgraph.Inputs),
        outputs=each(subgraph.OutputsLength(), subgraph.Outputs),
    )


def _names(enumeration: type) -> dict[int, str]:
    return {value: key for key, value in vars(enumeration).items() if isinstance(value, int)}
