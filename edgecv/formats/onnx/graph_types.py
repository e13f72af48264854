"""The types of onnx and onnx-ir under one name each: nothing is imported for them.

mypy follows neither library: in onnx-ir names, types and producers are optional everywhere, so that
each use would need an assertion. The names are for readers; at run time they are ``Any``.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from onnx import ModelProto
    from onnx_ir import Graph, Model, Node, Value
else:
    ModelProto = Graph = Model = Node = Value = Any

__all__ = ["Graph", "Model", "ModelProto", "Node", "Value"]
