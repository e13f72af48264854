"""What opening an ONNX file imports: not the algebra of symbolic shapes, until it is asked for."""

import subprocess
import sys

PROGRAM = """
import sys
from onnx import TensorProto, helper
from edgecv.formats.onnx.graph import read_model

ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N + 1", 3]) for name in "ab"]
graph = helper.make_graph([helper.make_node("Relu", ["a"], ["b"])], "g", ends[:1], ends[1:])
read = read_model(helper.make_model(graph).SerializeToString()).graph
print("sympy" in sys.modules, (read.inputs[0].shape[0] + 2).value, "sympy" in sys.modules)

import onnx_ir._symbolic_shapes, sympy.core
print(sympy.core is sys.modules["sympy.core"])
"""


def test_symbolic_shapes_are_imported_where_they_are_computed() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["False N + 3 True", "True"]
