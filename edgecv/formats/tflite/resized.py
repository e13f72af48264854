"""The shapes of a TFLite file's tensors for another shape of its only input."""

import warnings
from collections.abc import Sequence

from edgecv.core.errors import InputError
from edgecv.formats.tensors import first_line


def shapes_for(content: bytes, where: str, shape: Sequence[int]) -> dict[int, tuple[int, ...]]:
    """Return the shape of each tensor by its number, as LiteRT finds it.

    Raises InputError if the file does not take that shape.
    """
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            interpreter = Interpreter(
                model_content=content,
                experimental_op_resolver_type=OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
            )
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
