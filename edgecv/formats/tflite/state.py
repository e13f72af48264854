"""The state that a recurrent TFLite file keeps from one invocation to the next."""

from collections.abc import Callable
from typing import Any

from edgecv.core.errors import UnsuitableFile


def keeps_state(content: bytes, where: str) -> bool:
    """Tell whether a file that LiteRT has opened holds variable tensors.

    Raises UnsuitableFile where it writes resource variables on each run: LiteRT resets its
    variable tensors, and never those.
    """
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content, 0)
    subgraphs = [model.Subgraphs(number) for number in range(model.SubgraphsLength())]
    codes = [model.OperatorCodes(number) for number in range(model.OperatorCodesLength())]
    kinds = [max(each.BuiltinCode(), each.DeprecatedBuiltinCode()) for each in codes]
    writing, initializing = set[int](), set[int]()
    # Few files write variables: the operators of the others need not be read.
    for number, graph in enumerate(
        subgraphs if schema.BuiltinOperator.ASSIGN_VARIABLE in kinds else ()
    ):
        for operator in map(graph.Operators, range(graph.OperatorsLength())):
            kind = kinds[operator.OpcodeIndex()]
            if kind == schema.BuiltinOperator.ASSIGN_VARIABLE:
                writing.add(number)
            elif kind == schema.BuiltinOperator.CALL_ONCE:
                options, union = schema.CallOnceOptions(), operator.BuiltinOptions()
                if union is not None:
                    options.Init(union.Bytes, union.Pos)
                    initializing.add(options.InitSubgraphIndex())
    if writing - initializing:
        raise UnsuitableFile(
            where,
            "it keeps a state in resource variables (ASSIGN_VARIABLE), which LiteRT cannot reset:"
            " the answer for an image would depend on the images before it",
            accepted="files whose answer depends on one image alone",
            remedy="convert the model with stateful=False in its recurrent layers",
        )
    return any(
        graph.Tensors(number).IsVariable()
        for graph in subgraphs
        for number in range(graph.TensorsLength())
    )


def without_state(interpreter: Any) -> Callable[[], object]:
    """Return a function that resets the state of an interpreter and runs it."""
    reset, invoke = interpreter.reset_all_variables, interpreter.invoke

    def run() -> None:
        reset()
        invoke()

    return run
