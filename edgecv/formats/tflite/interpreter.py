"""LiteRT's interpreter: its kernels, its errors, and the facts of its tensors."""

import warnings
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import RuntimeFailure
from edgecv.formats.tensors import first_line

Kernels = Literal["xnnpack", "builtin", "reference"]
USUAL_KERNELS: Kernels = "xnnpack"
"""Those that LiteRT takes by itself."""
RESOLVERS: dict[Kernels, str] = {
    "xnnpack": "AUTO",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "reference": "BUILTIN_REF",
}


def new_interpreter(
    content: bytes, threads: int, kernels: Kernels, *, keep_all: bool = False
) -> Any:
    """Return an interpreter whose tensors are not allocated yet.

    With ``keep_all`` all its tensors can be read. Raises RuntimeError or ValueError.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

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
    return RuntimeFailure(str(path), f"LiteRT refused it: {first_line(error)}")


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
