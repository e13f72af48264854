"""LiteRT's interpreter: its kernels, its errors, and the facts of its tensors."""

import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import InputError, RuntimeFailure, UnsuitableFile
from edgecv.core.text import first_line
from edgecv.formats.tflite.signature_names import names_in_turn

Kernels = Literal["xnnpack", "builtin", "reference"]
USUAL_KERNELS: Kernels = "xnnpack"
"""Those that LiteRT takes by itself."""
RESOLVERS: dict[Kernels, str] = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}
EMPTY = "is empty"
NO_KERNEL = ("unresolved custom op", "Select TensorFlow op")
"""Parts of what LiteRT says of an operator that its maker alone has."""


def new_interpreter(
    content: bytes, threads: int, kernels: Kernels, *, keep_all: bool = False
) -> Any:
    """Return an interpreter whose tensors are not allocated yet.

    With ``keep_all`` all its tensors can be read. Raises RuntimeError or ValueError.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    if not content:
        raise ValueError(EMPTY)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # It warns that keeping all tensors takes memory.
        return Interpreter(
            model_content=content,
            num_threads=threads,
            experimental_op_resolver_type=OpResolverType[RESOLVERS[kernels]],
            experimental_preserve_all_tensors=keep_all,
        )


def refusal(path: Path, error: Exception) -> RuntimeFailure:
    """Return the failure of a file that LiteRT does not accept."""
    if str(error) == EMPTY:
        return UnsuitableFile(str(path), EMPTY, accepted="a .tflite file")
    found = f"LiteRT refused it: {first_line(error)}"
    if not any(text in found for text in NO_KERNEL):
        return RuntimeFailure(str(path), found)
    return UnsuitableFile(
        str(path),
        found.partition(". ")[0],
        accepted="TFLite's own operators",
        remedy="edgecv inspect reads the file without running it; to run it, convert the model"
        " again without this operator",
    )


def facts_of_tensor(details: dict[str, Any]) -> TensorFacts:
    """Return the facts of a tensor that the interpreter describes."""
    scale, zero_point = details["quantization"]
    quantized = float(scale) != 0.0  # LiteRT gives 0 for a tensor that is not quantized
    return TensorFacts(
        name=str(details["name"]),
        shape=tuple(int(length) for length in details["shape"]),
        type=np.dtype(details["dtype"]).name,
        scale=float(scale) if quantized else None,
        zero_point=int(zero_point) if quantized else None,
    )


def shapes_for(content: bytes, where: str, shape: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return the shape of each tensor by its number, as LiteRT finds it.

    Raises InputError if the file does not take that shape.
    """
    try:
        interpreter = new_interpreter(content, 1, "builtin")
        (taken,) = interpreter.get_input_details()
        interpreter.resize_tensor_input(taken["index"], list(shape))
        interpreter.allocate_tensors()
    except (RuntimeError, ValueError) as error:
        found = f"cannot take an input of shape {list(shape)}: {first_line(error)}"
        raise InputError(where, found) from None
    return {
        int(each["index"]): tuple(map(int, each["shape"]))
        for each in interpreter.get_tensor_details()
    }


def named_outputs(interpreter: Any, outputs: Sequence[dict[str, Any]]) -> tuple[TensorFacts, ...]:
    """Return the facts of the outputs, with the names that the file's signature gives.

    Names of tensors are the converter's, and may occur twice.
    """
    facts = _named_by_signature(interpreter, outputs, "outputs")
    seen: Counter[str] = Counter()
    for number, each in enumerate(facts):
        seen[each.name] += 1
        if seen[each.name] > 1:
            facts[number] = replace(each, name=f"{each.name} ({seen[each.name]})")
    return tuple(facts)


def named_inputs(interpreter: Any, taken: Sequence[dict[str, Any]]) -> list[TensorFacts]:
    """Return the facts of the inputs, with the names that the file's signature gives."""
    return _named_by_signature(interpreter, taken, "inputs")


def _named_by_signature(
    interpreter: Any, ends: Sequence[dict[str, Any]], side: Literal["inputs", "outputs"]
) -> list[TensorFacts]:
    """Return the facts of ends; names are those of tensors where no one signature has them all."""
    facts = [facts_of_tensor(each) for each in ends]
    signatures = interpreter.get_signature_list()
    if len(signatures) != 1:
        return facts
    runner = interpreter.get_signature_runner(next(iter(signatures)))
    found = runner.get_input_details() if side == "inputs" else runner.get_output_details()
    named = [(int(details["index"]), str(name)) for name, details in found.items()]
    names = names_in_turn([int(each["index"]) for each in ends], named)
    if names is None:
        return facts
    return [replace(each, name=name) for each, name in zip(facts, names, strict=True)]
