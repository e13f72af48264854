"""Models as other tools write them, made by hand."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def onnx_model(
    nodes: Sequence[Any],
    inputs: dict[str, Sequence[int | str | None]],
    outputs: dict[str, Sequence[int | str | None]],
    constants: dict[str, NDArray[Any]] | None = None,
    *,
    types: dict[str, str] | None = None,
    **options: Any,
) -> Any:
    """Return an ONNX model; ends are float32 where ``types`` says nothing."""
    from onnx import TensorProto, helper, numpy_helper

    def end(name: str, shape: Sequence[int | str | None]) -> Any:
        kind = getattr(TensorProto, (types or {}).get(name, "FLOAT"))
        return helper.make_tensor_value_info(name, kind, shape)

    graph = helper.make_graph(
        list(nodes),
        "by hand",
        [end(*each) for each in inputs.items()],
        [end(*each) for each in outputs.items()],
        [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()],
    )
    opsets = options.pop("opsets", {"": 17})
    return helper.make_model(
        graph,
        producer_name="by hand",
        opset_imports=[helper.make_opsetid(*each) for each in opsets.items()],
        **options,
    )


def normal(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def edited_tflite(content: bytes, edit: Callable[[Any, Any], None]) -> bytes:
    """Return a TFLite file after ``edit(model, schema)`` of its object form."""
    import flatbuffers  # type: ignore[import-untyped]
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(content, 0))
    edit(model, schema)
    builder = flatbuffers.Builder(len(content) * 2)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
