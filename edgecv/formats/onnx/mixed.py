"""ONNX files of several precisions: some layers stay float32 beside quantized ones."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import counted
from edgecv.formats.float_operators import OperatorTensors, between
from edgecv.formats.kernel_layout import kernel_names, layer_kernels
from edgecv.formats.onnx.check import check_valid, count_kernels, kernels_in
from edgecv.formats.onnx.conversions import stored_constant
from edgecv.formats.onnx.graph import KERNELS
from edgecv.formats.onnx.graph_types import Graph, ModelProto, Node

FLOAT = "float32"


@dataclass
class FloatLayers:
    """The layers of a file that stay float32, found in its graph before it is quantized."""

    model: KerasModel | None
    """None for a network of a foreign file, whose layers are called by their place."""
    precisions: Callable[[list[str]], Mapping[str, str]]
    """Returns the precision of each layer."""
    _sizes: Counter[int] = field(default_factory=Counter)
    """Weights of the layers that stay float -> how many of them."""
    names: list[str] = field(default_factory=list)
    """The layers that stay float, once the nodes were found."""

    def nodes(self, model: ModelProto, graph: Graph) -> list[str]:
        """Return the names of the nodes that are not quantized. ``graph``: that of ``model``."""
        kernels = kernels_in(model)
        layers = [] if self.model is None else layer_kernels(self.model, "onnx")
        names = kernel_names(kernels, layers)
        asked = self.precisions(names)
        floats = [asked[name] == FLOAT for name in names]
        self.names = [name for name, is_float in zip(names, floats, strict=True) if is_float]
        sizes = [each.weights.size for each in kernels]
        self._sizes = Counter(
            size for size, is_float in zip(sizes, floats, strict=True) if is_float
        )
        nodes = list(graph)
        places = [
            number
            for number, node in enumerate(nodes)
            if node.op_type in KERNELS and stored_constant(node.inputs[1]) is not None
        ]
        left = [number for number, is_float in zip(places, floats, strict=True) if is_float]
        ends = [str(each.name) for each in (*graph.inputs, *graph.outputs)]
        left += between([_ends_of(node) for node in nodes], places, left, ends)
        return [str(nodes[number].name) for number in left]

    def check(self, model: ModelProto, where: str) -> None:
        """Raise StepError unless the weights of these layers alone are floats."""
        found = Counter(
            each.weights.size for each in kernels_in(model) if each.weights.dtype.kind == "f"
        )
        if found != self._sizes:
            raise StepError(
                where,
                f"{counted(self._sizes.total(), 'layer')} should be float32, and {found.total()}"
                " came back so",
                remedy="name other layers, or choose the tflite format",
            )

    @property
    def note(self) -> tuple[str, ...]:
        """A sentence on the layers that stay float; empty without them."""
        return (f"in float32: {', '.join(self.names)}",) if self.names else ()


def _ends_of(node: Node) -> OperatorTensors:
    taken = [each for each in node.inputs if each is not None and each.const_value is None]
    return OperatorTensors(
        frozenset(str(each.name) for each in taken),
        frozenset(str(each.name) for each in node.outputs),
    )


def prove_mixed(model: ModelProto, layers: FloatLayers, where: str) -> tuple[str, ...]:
    """Return notes on the layers that run in float. Raises StepError if they are others."""
    check_valid(model, where)
    layers.check(model, where)
    runs_integers = len(kernels_in(model)) > len(layers.names)
    return (*layers.note, *(count_kernels(model, where) if runs_integers else ()))
