"""TFLite files of several precisions: a calibrated float file is quantized in part."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import first_line, listed
from edgecv.formats.export_checks import SHOWN
from edgecv.formats.float_operators import OperatorTensors, between
from edgecv.formats.kernel_layout import kernel_names, layer_kernels
from edgecv.formats.tflite.check import ENDS, constant_kernels, kernels_in
from edgecv.formats.tflite.operators import TFLiteOperator
from edgecv.formats.tflite.tables import TFLiteTables

FLOAT = "float32"
_last: dict[str, bytes] = {}
"""The last calibrated file of this process: a search quantizes it many times."""


def calibrated(parts: Sequence[Any], make: Callable[[], bytes]) -> bytes:
    """Return the float file with ranges that ``make`` returns for ``parts``, made once in a row."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.encode() if isinstance(part, str) else np.ascontiguousarray(part).data)
    key = digest.hexdigest()
    if key not in _last:
        content = make()
        _last.clear()
        _last[key] = content
    return _last[key]


def layer_names(content: bytes, model: KerasModel, where: str) -> list[str]:
    """Return the names of the layers with a kernel in a file, in the file's order."""
    return kernel_names(kernels_in(content, where), layer_kernels(model, "tflite"))


def with_precisions(
    content: bytes,
    names: Sequence[str],
    layers: Mapping[str, str],
    where: str,
    *,
    one_scale: bool = False,
) -> tuple[bytes, tuple[str, ...]]:
    """Return a calibrated file as int8 but for the layers that stay float32, and a note.

    What stands between float layers alone stays float too. ``names``: of the layers, in the order
    of the file. ``one_scale``: for each kernel. Weights of 4 bits are made afterwards.
    """
    import tensorflow
    from tensorflow.lite.python.convert import mlir_quantize

    tables = TFLiteTables(content, where)
    operators = list(tables.operators)
    kernels = [operators.index(operator) for operator, _ in constant_kernels(tables)]
    named = zip(names, kernels, strict=True)
    floats = [number for name, number in named if layers[name] == FLOAT]
    ends = [tensor.key for tensor in (*tables.inputs, *tables.outputs)]
    left = [*floats, *between([_ends_of(each) for each in operators], kernels, floats, ends)]
    try:
        made = mlir_quantize(
            content,
            disable_per_channel=one_scale,
            input_data_type=tensorflow.int8,
            output_data_type=tensorflow.int8,
            denylisted_nodes=[operators[number].outputs[0].name for number in left],
        )
    except Exception as error:  # its errors have no other common base class
        raise StepError(
            where, f"TensorFlow cannot quantize this model in part: {first_line(error)}"
        ) from error
    _prove(made, names, layers, where)
    stayed = [name for name in names if layers[name] == FLOAT]
    return made, (f"in float32: {', '.join(stayed)}",) if stayed else ()


def _ends_of(operator: TFLiteOperator) -> OperatorTensors:
    taken = [each for each in operator.inputs if each is not None and not each.is_constant]
    return OperatorTensors(
        frozenset(each.key for each in taken), frozenset(each.key for each in operator.outputs)
    )


def _prove(content: bytes, names: Sequence[str], layers: Mapping[str, str], where: str) -> None:
    """Raise StepError if layers are others than asked, or the ends are not int8."""
    tables = TFLiteTables(content, where)
    types = [tensor.type for tensor in (*tables.inputs, *tables.outputs)]
    if set(types) != set(ENDS["int8"]):
        raise StepError(
            where,
            f"mixed was asked for; input and output came back {' and '.join(types)}",
            accepted="int8",
        )
    found = {
        name: kernel.type for name, (_, kernel) in zip(names, constant_kernels(tables), strict=True)
    }
    wrong = [
        f"{name} ({kind})"
        for name, kind in found.items()
        if kind != (FLOAT if layers[name] == FLOAT else "int8")
    ]
    if wrong:
        raise StepError(
            where,
            f"layers came back in another type than asked for: {listed(wrong, SHOWN)}",
            remedy="leave them out of layers",
        )
