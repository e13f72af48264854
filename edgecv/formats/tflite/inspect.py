"""Reads a TFLite file by its schema alone: no interpreter, no TensorFlow."""

import math
import struct
from collections.abc import Sequence
from typing import Any

from edgecv.core.text import listed
from edgecv.formats.contents import OPEN, Arithmetic, Contents, End, Operator, total_macs
from edgecv.formats.dtypes import FLOATS, SMALL_INTEGERS, count
from edgecv.formats.peak_memory import MemoryStep, peak_bytes
from edgecv.formats.tflite.tables import Tables, Tensor, damaged

WEIGHTS = 1
"""The input that holds an operator's kernel, where it has one."""
SPREAD = 2
"""The input of a transposed convolution: (output shape, kernel, input)."""
KERNEL_OPERATORS = frozenset(
    """
    CONV_2D DEPTHWISE_CONV_2D TRANSPOSE_CONV FULLY_CONNECTED BATCH_MATMUL CONV_3D CONV_3D_TRANSPOSE
    """.split()
)
NOT_COUNTED = frozenset(
    """
    CUSTOM DELEGATE WHILE IF CALL CALL_ONCE LSTM RNN SVDF UNIDIRECTIONAL_SEQUENCE_LSTM
    UNIDIRECTIONAL_SEQUENCE_RNN BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN
    EMBEDDING_LOOKUP_SPARSE LSH_PROJECTION STABLEHLO_CONVOLUTION STABLEHLO_DOT_GENERAL
    STABLEHLO_CUSTOM_CALL STABLEHLO_COMPOSITE STABLEHLO_WHILE STABLEHLO_CASE
    """.split()
)
"""Operators that multiply, or hold others, in ways that are not followed here."""
CONTROL_FLOW = ("IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE")
CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")
UNPACKED = ("DEQUANTIZE", "DENSIFY")
"""Operators that give constants where they take constants: a runtime does them once."""


Tensors = Sequence[Tensor | None]


def read(content: bytes, where: str) -> Contents:
    """Read the first subgraph of a TFLite file. Raises InputError where it is damaged."""
    try:
        return _Reader(Tables(content, where), where).contents()
    except struct.error:
        raise damaged(where, "it refers to places beyond its end") from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise damaged(where, f"{type(error).__name__}: {error}") from error


class _Reader:
    """One file, and what was found in it so far."""

    def __init__(self, tables: Tables, where: str) -> None:
        self._tables = tables
        self._where = where
        self._unpacked: dict[int, Tensor] = {}
        """By number of a tensor that is a constant behind a DEQUANTIZE: what is stored of it."""
        self._kernels: set[int] = set()
        self._buffers: set[int] = set()

    def contents(self) -> Contents:
        graph, listed = self._tables.graph, self._tables.listed
        inputs = _present(listed(graph.InputsAsNumpy()))
        outputs = _present(listed(graph.OutputsAsNumpy()))
        operators, steps = [], []
        for number in range(graph.OperatorsLength()):
            found = graph.Operators(number)
            takes = listed(found.InputsAsNumpy())
            makes = _present(listed(found.OutputsAsNumpy()))
            kind = self._tables.kinds[found.OpcodeIndex()]
            if kind in UNPACKED and takes and (stored := self._constant(takes[0])) is not None:
                self._unpacked |= {each.number: stored for each in makes}
                continue
            operators.append(self._operator(found, kind, takes, makes))
            steps.append(MemoryStep(self._live(_present(takes)), self._live(makes)))
        variables = [each for each in self._tables.tensors if each.is_variable]
        return Contents(
            format="tflite",
            facts=self._facts(),
            inputs=tuple(_end(each) for each in inputs),
            outputs=tuple(_end(each) for each in outputs),
            operators=tuple(operators),
            parameters=sum(each.parameters for each in operators),
            macs=total_macs(tuple(operators)),
            peak_activation_bytes=peak_bytes(
                steps,
                self._live([*inputs, *variables]),
                self._live([*outputs, *variables]),
                {each.key: each.bytes for each in self._tables.tensors},
            ),
            notes=tuple(self._notes(operators, inputs)),
        )

    def _operator(self, found: Any, kind: str, takes: Tensors, makes: Sequence[Tensor]) -> Operator:
        taken = _present(takes)
        constants = [stored for each in taken if (stored := self._constant(each)) is not None]
        weights = _trained(kind, constants)
        largest = max(weights, key=lambda each: count(each.shape) or 0, default=None)
        moving = [each for each in (*taken, *makes) if self._constant(each) is None]
        return Operator(
            name=makes[0].name.split(";")[0] if makes else "",
            type=kind,
            output_shape=makes[0].shape if makes else None,
            parameters=self._counted(kind, weights, largest),
            macs=self._macs(found, kind, takes, makes),
            activation_type=makes[0].type if makes else "",
            weight_type=largest.type if largest else "",
            weight_scales=len(largest.scales) if largest else 0,
            weight_bytes=self._new_bytes(weights),
            arithmetic=_arithmetic(kind, moving, largest),
        )

    def _counted(self, kind: str, weights: Sequence[Tensor], largest: Tensor | None) -> int:
        """Count an operator's weights: none where its kernel has served an operator before."""
        if kind in KERNEL_OPERATORS and largest is not None:
            if largest.number in self._kernels:
                return 0
            self._kernels.add(largest.number)
        return sum(count(each.shape) or 0 for each in weights)

    def _new_bytes(self, weights: Sequence[Tensor]) -> int:
        sizes = {each.buffer: each.stored_bytes or 0 for each in weights}
        new = {buffer: size for buffer, size in sizes.items() if buffer not in self._buffers}
        self._buffers |= new.keys()
        return sum(new.values())

    def _macs(self, found: Any, kind: str, takes: Tensors, makes: Sequence[Tensor]) -> int | None:
        if kind.split("(")[0] in NOT_COUNTED:
            return None
        if kind not in KERNEL_OPERATORS:
            return 0
        kernel, made = takes[WEIGHTS], count(makes[0].shape)
        if kernel is None or count(kernel.shape) is None or made is None:
            return None
        match kind:
            case "BATCH_MATMUL":
                return self._product(found, takes[0], made)
            case "TRANSPOSE_CONV" | "CONV_3D_TRANSPOSE":
                # The kernel is spread from each place of the input.
                entering = takes[SPREAD]
                places = None if entering is None else count(entering.shape[:-1])
                return None if places is None else places * math.prod(kernel.shape)
            case "DEPTHWISE_CONV_2D" | "CONV_3D":
                return made * math.prod(kernel.shape[:-1])
        return made * math.prod(kernel.shape[1:])

    def _product(self, found: Any, entering: Tensor | None, made: int) -> int | None:
        options, union = self._tables.schema.BatchMatMulOptions(), found.BuiltinOptions()
        if union is not None:
            options.Init(union.Bytes, union.Pos)
        if entering is None or count(entering.shape) is None:
            return None
        return made * entering.shape[-2 if union is not None and options.AdjX() else -1]

    def _constant(self, tensor: Tensor | None) -> Tensor | None:
        """Return the tensor as it is stored, None where it is computed."""
        if tensor is None:
            return None
        stored = self._unpacked.get(tensor.number, tensor)
        return None if stored.stored_bytes is None or stored.is_variable else stored

    def _live(self, tensors: Sequence[Tensor]) -> tuple[str, ...]:
        return tuple(each.key for each in tensors if self._constant(each) is None)

    def _facts(self) -> dict[str, str]:
        facts = {"schema": str(self._tables.model.Version())}
        if description := self._tables.description():
            facts["description"] = description
        return facts

    def _notes(self, operators: Sequence[Operator], inputs: Sequence[Tensor]) -> list[str]:
        notes = []
        subgraphs = self._tables.model.SubgraphsLength()
        kinds = sorted({each.type for each in operators})
        if subgraphs > 1:
            notes.append(f"it has {subgraphs} subgraphs; only the first is shown")
        if flow := [kind for kind in kinds if kind in CONTROL_FLOW]:
            notes.append(f"other subgraphs are run, and not followed: {listed(flow)}")
        if custom := [kind[7:-1] for kind in kinds if kind.startswith("CUSTOM(")]:
            notes.append(f"custom operators, which a runtime must be given: {listed(custom)}")
        if sparse := [each.name for each in self._tables.tensors if each.is_sparse]:
            notes.append(f"weights that are stored sparse: {listed(sparse)}")
        if self._unpacked:
            notes.append(
                f"{len(self._unpacked)} constants pass through an operator before they are used; "
                "these operators are not shown"
            )
        batch = max((each.declared[0] for each in inputs if len(each.declared) > 1), default=1)
        if batch > 1:
            notes.append(f"costs are those of the whole batch of {batch}")
        if strange := [e.name for e in self._tables.tensors if not e.has_finite_scales]:
            notes.append(f"scales that are not numbers: {listed(strange)}")
        if self._tables.model.ExternalBuffersLength():
            notes.append("some weights are in other files, which were not opened")
        return notes


def _present(tensors: Tensors) -> list[Tensor]:
    return [each for each in tensors if each is not None]


def _trained(kind: str, constants: Sequence[Tensor]) -> list[Tensor]:
    """Return the constants that are weights: no shapes, no axes, no single numbers."""
    return [
        each
        for each in constants
        if (each.type in FLOATS or each.scales or each.type in SMALL_INTEGERS)
        and (kind in KERNEL_OPERATORS or each.declared)
    ]


def _arithmetic(kind: str, moving: Sequence[Tensor], weights: Tensor | None) -> Arithmetic:
    if kind in CONVERSIONS:
        return "conversion"
    if any(each.type in FLOATS for each in moving):
        is_small = weights is not None and weights.type in SMALL_INTEGERS
        return "weights only" if is_small else "float"
    stands_for_reals = [each for each in moving if each.type in SMALL_INTEGERS and each.scales]
    return "quantized" if stands_for_reals else "other"


def _end(tensor: Tensor) -> End:
    is_quantized = len(tensor.scales) == 1 and tensor.has_finite_scales
    return End(
        name=tensor.name,
        shape=tensor.declared,
        type=tensor.type,
        scale=tensor.scales[0] if is_quantized else None,
        zero_point=(tensor.zero_point or 0) if is_quantized else None,
        open_sides=("",) * tensor.declared.count(OPEN),
    )
