"""Squares and negations as products: LiteRT multiplies integers, and squares floats alone.

A length over the last axis stays as it is: the converter makes one operator of it, in integers.
"""

from typing import Any

from edgecv.formats.dtypes import FLOATS
from edgecv.formats.tflite.tables import TFLiteTables
from edgecv.models.tf import compile_function, tensorflow

KINDS = ("SQUARE", "NEG")
"""Operators of a TFLite file that a product stands in for."""


def has_squares_of_floats(content: bytes, where: str) -> bool:
    """Return True if a file computes with floats what products compute with integers."""
    return any(
        operator.kind in KINDS and any(each.type in FLOATS for each in operator.outputs)
        for operator in TFLiteTables(content, where).operators
    )


def with_products(function: Any) -> Any:
    """Return a function like ``function``, with x * x for squares of reals and x * -1 for -x.

    It is ``function`` itself if there are none. Its weights are constants, its outputs a dict.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    frozen = convert_variables_to_constants_v2(function)
    graph = frozen.graph.as_graph_def()
    real = tensorflow.float32.as_datatype_enum
    found = [
        each for each in graph.node if each.op in ("Square", "Neg") and each.attr["T"].type == real
    ]
    if not found:
        return function
    for node in found:
        _write_product(graph, node)
    (image,) = frozen.inputs
    # TensorFlow flattens the dict of outputs in the order of their names.
    names, given = sorted(function.structured_outputs), [each.name for each in frozen.outputs]

    def serve(images: Any) -> dict[str, Any]:
        answers = tensorflow.graph_util.import_graph_def(
            graph, input_map={image.name: images}, return_elements=given, name=""
        )
        return dict(zip(names, answers, strict=True))

    taken = tensorflow.TensorSpec(image.shape, image.dtype, name="image")
    return compile_function(serve, input_signature=[taken]).get_concrete_function()


def _write_product(graph: Any, node: Any) -> None:
    if node.op == "Square":
        factor = node.input[0]
    else:
        made = graph.node.add(name=f"{node.name}/minus_one", op="Const")
        made.attr["dtype"].type = tensorflow.float32.as_datatype_enum
        made.attr["value"].tensor.CopyFrom(tensorflow.make_tensor_proto(-1.0, tensorflow.float32))
        factor = made.name
    node.op = "Mul"
    node.input.insert(1, factor)
