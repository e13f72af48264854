"""Inspection of a TFLite file by its tables, without TensorFlow.

The interpreter is used for one thing: the shapes of all tensors where the file leaves a size open.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.text import counted, listed
from edgecv.formats.contents import OPEN, Arithmetic, Contents, End, Operator, known_total, total
from edgecv.formats.dtypes import FLOATS, SMALL_INTEGERS, count
from edgecv.formats.image_axes import image_axes
from edgecv.formats.peak_memory import MemoryStep, peak_facts, peak_of
from edgecv.formats.tflite.interpreter import shapes_for
from edgecv.formats.tflite.operators import TFLiteOperator, TFLiteTensor
from edgecv.formats.tflite.signature_names import names_in_turn
from edgecv.formats.tflite.tables import CONVERSIONS, UNPACKING, TFLiteTables, damage_refused

WEIGHTS = 1
"""The number of the input that is an operator's kernel."""
SPREAD = 2
"""The number of a transposed convolution's data input: (output shape, kernel, data)."""
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
"""Operators that multiply or contain others, and whose multiply-accumulates are not counted."""
CONTROL_FLOW = ("IF", "WHILE", "CALL", "CALL_ONCE", "STABLEHLO_WHILE", "STABLEHLO_CASE")


Tensors = Sequence[TFLiteTensor | None]


def read(content: bytes, where: str, input_spec: InputSpec = DEFAULT_INPUT) -> Contents:
    """Read the first subgraph of a TFLite file. Raises InputError if it is damaged."""
    with damage_refused(where):
        tables = TFLiteTables(content, where)
        inputs = _ends(tables, "inputs")
        if input_spec.input_size is not None and len(inputs) == 1:
            answers = tables.outputs[0].declared if tables.outputs else ()
            axes = image_axes(Path(where), inputs[0], input_spec, answers)
            if OPEN in inputs[0].shape[1:]:
                tables = TFLiteTables(content, where, shapes_for(content, where, axes.shape(1)))
        return replace(TFLiteInspector(tables).contents(), inputs=inputs)


class TFLiteInspector:
    """The inspection of one file, which counts each constant once."""

    def __init__(self, tables: TFLiteTables) -> None:
        self._tables = tables
        self._buffers: set[int] = set()

    def contents(self) -> Contents:
        """Return the contents of the file."""
        tables = self._tables
        shown = [each for each in tables.operators if not self._is_unpacking(each)]
        operators = tuple(self._operator(each) for each in shown)
        steps = [MemoryStep(self._live(each.inputs), self._live(each.outputs)) for each in shown]
        variables = [each for each in tables.tensors if each.is_variable]
        peak = peak_of(
            steps,
            self._live([*tables.inputs, *variables]),
            self._live([*tables.outputs, *variables]),
            {each.key: each.bytes for each in tables.tensors},
        )
        return Contents(
            format="tflite",
            facts=self._facts(),
            inputs=_ends(tables, "inputs"),
            outputs=_ends(tables, "outputs"),
            operators=operators,
            parameters=total(each.parameters for each in operators),
            macs=total(each.macs for each in operators),
            known_macs=known_total(each.macs for each in operators),
            **peak_facts(peak, operators),
            notes=tuple(self._notes(operators)),
        )

    def _is_unpacking(self, operator: TFLiteOperator) -> bool:
        is_kind = operator.kind in UNPACKING and bool(operator.inputs)
        return is_kind and self._tables.constant(operator.inputs[0]) is not None

    def _operator(self, operator: TFLiteOperator) -> Operator:
        kind, made = operator.kind, operator.outputs[0] if operator.outputs else None
        constants = [
            stored
            for each in operator.inputs
            if (stored := self._tables.constant(each)) is not None
        ]
        weights = _trained(kind, constants)
        largest = max(weights, key=lambda each: count(each.shape) or 0, default=None)
        new = self._new(weights)
        return Operator(
            name=made.first_name if made else "",
            type=kind,
            output_shape=made.shape if made else None,
            parameters=self._parameters(kind, new),
            macs=self._macs(operator),
            activation_type=made.type if made else "",
            weight_type=largest.type if largest else "",
            weight_scales=len(largest.scales) if largest else 0,
            weight_bytes=sum(each.stored_bytes or 0 for each in new),
            arithmetic=_arithmetic(
                kind, self._computed((*operator.inputs, *operator.outputs)), largest
            ),
        )

    def _new(self, weights: Sequence[TFLiteTensor]) -> list[TFLiteTensor]:
        """Return the stored weights of an operator that none before it uses."""
        found = {each.buffer: each for each in weights}
        new = [each for buffer, each in found.items() if buffer not in self._buffers]
        self._buffers |= found.keys()
        return new

    def _parameters(self, kind: str, new: Sequence[TFLiteTensor]) -> int | None:
        """Return the number of weights; None where they may be in another graph or file."""
        if kind in CONTROL_FLOW or self._tables.model.ExternalBuffersLength():
            return None
        return sum(count(each.shape) or 0 for each in new)

    def _macs(self, operator: TFLiteOperator) -> int | None:
        kind, takes = operator.kind, operator.inputs
        if kind.split("(")[0] in NOT_COUNTED or kind.startswith("OPERATOR "):
            return None
        if kind not in KERNEL_OPERATORS:
            return 0
        kernel, made = takes[WEIGHTS], count(operator.outputs[0].shape)
        if kernel is None or count(kernel.shape) is None or made is None:
            return None
        match kind:
            case "BATCH_MATMUL":
                return _product(operator, made)
            case "TRANSPOSE_CONV" | "CONV_3D_TRANSPOSE":
                # The kernel is applied at each position of the input.
                entering = takes[SPREAD]
                places = None if entering is None else count(entering.shape[:-1])
                return None if places is None else places * math.prod(kernel.shape)
            case "DEPTHWISE_CONV_2D" | "CONV_3D":
                return made * math.prod(kernel.shape[:-1])
        return made * math.prod(kernel.shape[1:])

    def _computed(self, tensors: Tensors) -> list[TFLiteTensor]:
        return [
            each for each in tensors if each is not None and self._tables.constant(each) is None
        ]

    def _live(self, tensors: Tensors) -> tuple[str, ...]:
        return tuple(each.key for each in self._computed(tensors))

    def _facts(self) -> dict[str, str]:
        facts = {"schema": str(self._tables.model.Version())}
        if description := self._tables.description():
            facts["description"] = description
        return facts

    def _notes(self, operators: Sequence[Operator]) -> list[str]:
        notes = []
        subgraphs = self._tables.model.SubgraphsLength()
        kinds = sorted({each.type for each in operators})
        if subgraphs > 1:
            notes.append(f"it has {counted(subgraphs, 'subgraph')}; only the first is shown")
        if flow := [kind for kind in kinds if kind in CONTROL_FLOW]:
            notes.append(f"other subgraphs are run, and not followed: {listed(flow)}")
        if custom := [kind[7:-1] for kind in kinds if kind.startswith("CUSTOM(")]:
            notes.append(f"custom operators, which a runtime must be given: {listed(custom)}")
        if sparse := [each.name for each in self._tables.tensors if each.is_sparse]:
            notes.append(f"weights that are stored sparse: {listed(sparse)}")
        if unpacked := len(list(filter(self._is_unpacking, self._tables.operators))):
            notes.append(
                f"not shown: {counted(unpacked, 'operator')} that constants pass through before use"
            )
        batch = max(
            (each.declared[0] for each in self._tables.inputs if len(each.declared) > 1), default=1
        )
        if batch > 1:
            notes.append(f"costs are those of the whole batch of {batch}")
        if strange := [e.name for e in self._tables.tensors if not e.has_finite_scales]:
            notes.append(f"scales that are not numbers: {listed(strange)}")
        if self._tables.model.ExternalBuffersLength():
            notes.append("some weights are in other files, which were not opened")
        return notes


def _product(operator: TFLiteOperator, made: int) -> int | None:
    """Return the multiply-accumulates of a product of two matrices."""
    entering = operator.inputs[0]
    if entering is None or count(entering.shape) is None:
        return None
    return made * entering.shape[-2 if operator.option("AdjX") else -1]


def _trained(kind: str, constants: Sequence[TFLiteTensor]) -> list[TFLiteTensor]:
    """Return the constants that are weights: no shapes, no axes, no scalars."""
    return [
        each
        for each in constants
        if (each.type in FLOATS or each.scales or each.type in SMALL_INTEGERS)
        and (kind in KERNEL_OPERATORS or each.declared)
    ]


def _arithmetic(
    kind: str, moving: Sequence[TFLiteTensor], weights: TFLiteTensor | None
) -> Arithmetic:
    if kind in CONVERSIONS:
        return "conversion"
    if any(each.type in FLOATS for each in moving):
        is_small = weights is not None and weights.type in SMALL_INTEGERS
        return "weights only" if is_small else "float"
    stands_for_reals = [each for each in moving if each.type in SMALL_INTEGERS and each.scales]
    return "quantized" if stands_for_reals else "other"


def _ends(tables: TFLiteTables, side: Literal["inputs", "outputs"]) -> tuple[End, ...]:
    """Return inputs or outputs, by the names that users give them: those of the signature."""
    tensors = tables.inputs if side == "inputs" else tables.outputs
    names = names_in_turn([each.number for each in tensors], tables.names_of_ends(side))
    names = names or [each.name for each in tensors]
    return tuple(_end(each, name) for each, name in zip(tensors, names, strict=True))


def _end(tensor: TFLiteTensor, name: str) -> End:
    is_quantized = len(tensor.scales) == 1 and tensor.has_finite_scales
    return End(
        name=name,
        shape=tensor.declared,
        type=tensor.type,
        scale=tensor.scales[0] if is_quantized else None,
        zero_point=(tensor.zero_point or 0) if is_quantized else None,
        open_sides=("",) * tensor.declared.count(OPEN),
    )
