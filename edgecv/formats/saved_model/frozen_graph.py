"""A TensorFlow graph as one tf-keras layer: the form in which a SavedModel is kept.

The graph is in the layer's configuration, its weights are the layer's weights. It may hold only
operations that compute, so a file with such a layer is as harmless as one of standard layers.
"""

import base64
import binascii
import math
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import short_name
from edgecv.formats.saved_model.costs import total_macs
from edgecv.formats.saved_model.graph_probe import GraphProbe
from edgecv.models.preprocessing import pixel_kernel
from edgecv.models.tf import compile_function, keras, tensorflow

CLASS, PACKAGE = "FrozenGraph", "edgecv"
REGISTERED = f"{PACKAGE}>{CLASS}"
OPERATIONS = frozenset(
    """
    Placeholder Const Identity IdentityN NoOp StopGradient PreventGradient CheckNumerics
    Conv2D DepthwiseConv2dNative Conv2DBackpropInput Conv3D BiasAdd MatMul BatchMatMul BatchMatMulV2
    BatchMatMulV3 Einsum
    FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 LRN L2Loss
    Relu Relu6 LeakyRelu Elu Selu Softplus Softsign Sigmoid Tanh Softmax LogSoftmax Erf Erfc Erfinv
    AvgPool MaxPool MaxPoolV2 Mean Max Min Sum Prod All Any
    Add AddV2 AddN Sub Mul Div RealDiv FloorDiv FloorMod Mod DivNoNan MulNoNan
    Neg Abs Sign Square SquaredDifference Sqrt Rsqrt Reciprocal Exp Expm1 Log Log1p Pow
    Maximum Minimum ClipByValue Floor Ceil Round Rint Sin Cos Tan
    Asin Acos Atan Atan2 Sinh Cosh Asinh Acosh Atanh Lgamma Xlogy Xdivy IsNan IsInf IsFinite
    Equal NotEqual Less LessEqual Greater GreaterEqual LogicalAnd LogicalOr LogicalNot Select
    SelectV2 Where ArgMax ArgMin TopKV2 Cast
    Shape ShapeN Size Rank Reshape Squeeze ExpandDims Transpose Concat ConcatV2 Split SplitV Pack
    Unpack Slice StridedSlice Gather GatherV2 GatherNd Tile BroadcastTo BroadcastArgs Fill Range
    ZerosLike OnesLike Pad PadV2 MirrorPad ReverseV2 Roll OneHot Cumsum Cumprod EnsureShape
    ScatterNd TensorScatterUpdate TensorScatterAdd MatrixBandPart MatrixDiagV3 LinSpace
    UnsortedSegmentSum SegmentSum AvgPool3D MaxPool3D Conv3DBackpropInputV2 ExtractImagePatches
    ResizeBilinear ResizeNearestNeighbor ResizeBicubic ResizeArea CropAndResize AdjustContrastv2
    RGBToHSV HSVToRGB SpaceToDepth DepthToSpace SpaceToBatchND BatchToSpaceND
    FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars FakeQuantWithMinMaxVarsPerChannel
    """.split()
)
"""Operations on tensors alone: none opens a file, calls Python or keeps a state."""
LARGEST_CONSTANT = 2**26
REALS = (1, 2, 14, 19)
"""float32, float64, bfloat16 and float16 in TensorFlow's tables."""


def graph_of(text: str, where: str) -> Any:
    """Return the GraphDef of a base64 text. Raises InputError if it is damaged or not allowed."""
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    graph = tensorflow.compat.v1.GraphDef()
    try:
        graph.ParseFromString(base64.b64decode(text, validate=True))
    except (DecodeError, binascii.Error, ValueError, TypeError) as error:
        raise InputError(where, f"holds a damaged graph: {short_name(error)}") from None
    check_graph(graph, where)
    return graph


def check_graph(graph: Any, where: str) -> None:
    """Raise InputError if a graph holds an operation or a constant that is not allowed."""
    others = sorted({node.op for node in graph.node} - OPERATIONS)
    if others or graph.library.function:
        names = ", ".join(map(short_name, others)) or "functions of its own"
        raise InputError(
            where,
            f"its graph holds {names}",
            accepted="operations that only compute on tensors",
            remedy="export the model without them, or give it as .keras or .h5",
        )
    for node in (node for node in graph.node if "value" in node.attr):
        sides = [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
        if math.prod(sides) > LARGEST_CONSTANT:
            raise InputError(where, f"its graph holds a constant of shape {sides}")


def constant_weights(nodes: Iterable[Any]) -> int:
    """Return the number of real values, other than single ones, in the constants of a graph."""
    shapes = [
        [dim.size for dim in node.attr["value"].tensor.tensor_shape.dim]
        for node in nodes
        if node.op == "Const" and node.attr["dtype"].type in REALS
    ]
    return sum(math.prod(shape) for shape in shapes if shape)


@cache
def frozen_graph_layer() -> Any:
    """Return the class of the layer, known to tf-keras from now on."""

    @keras.saving.register_keras_serializable(PACKAGE, CLASS)
    class FrozenGraph(keras.layers.Layer):  # type: ignore[misc]
        """Runs a graph: float32 (N, H, W, C) -> float32 (N, ...), or a dict of several by name.

        ``entering`` and ``leaving`` are its tensors, several by the names of the outputs;
        ``variables`` the shape of each weight, by the name of the node that stands for it.
        """

        def __init__(
            self,
            graph: str,
            entering: str,
            leaving: str | Mapping[str, str],
            variables: Mapping[str, Sequence[int]],
            **options: Any,  # name, dtype and so on: what Keras gives to all layers
        ) -> None:
            super().__init__(**options)
            self._text, self._entering, self._shapes = graph, entering, dict(variables)
            self._leaving = leaving if isinstance(leaving, str) else dict(leaving)
            self._graph = graph_of(graph, self.name)
            self._run = compile_function(self._imported)
            self._values: list[Any] = []

        def build(self, input_shape: Any) -> None:
            self._values = [
                self.add_weight(f"variable_{number}", tuple(shape), trainable=False)
                for number, shape in enumerate(self._shapes.values())
            ]
            super().build(input_shape)

        def call(self, images: Any) -> Any:
            return self._run(images)

        def constants(self) -> int:
            """Return the number of weights that are constants of the graph."""
            return constant_weights(self._graph.node)

        def macs(self) -> int | None:
            """Return the multiply-accumulates of one image; None where they are unknown."""
            if None in (shape := self.input_shape[1:]):
                return None
            with tensorflow.Graph().as_default() as graph:
                image = tensorflow.zeros((1, *shape))
                tensorflow.graph_util.import_graph_def(
                    self._graph, input_map={self._entering: image}, name=""
                )
                nodes = graph.as_graph_def(add_shapes=True).node
            return total_macs(nodes)

        def probe(self) -> GraphProbe:
            """Return the graph, run up to one of its first operations."""
            return GraphProbe(self._graph, self._entering, self._values_of)

        def _values_of(self, images: Any, names: Sequence[str]) -> list[Any]:
            run = compile_function(lambda taken: self._elements(taken, names))
            return [each.numpy() for each in run(images)]

        def _imported(self, images: Any) -> Any:
            if isinstance(self._leaving, str):
                (result,) = self._elements(images, [self._leaving])
                return result
            found = self._elements(images, [*self._leaving.values()])
            return dict(zip(self._leaving, found, strict=True))

        def _elements(self, images: Any, wanted: Sequence[str]) -> Any:
            names = (f"{name}:0" for name in self._shapes)
            values = (tensorflow.convert_to_tensor(value) for value in self._values)
            given = {self._entering: images, **dict(zip(names, values, strict=True))}
            return tensorflow.graph_util.import_graph_def(
                self._graph, input_map=given, return_elements=list(wanted), name=""
            )

        def get_config(self) -> dict[str, Any]:
            return {
                **super().get_config(),
                "graph": self._text,
                "entering": self._entering,
                "leaving": self._leaving,
                "variables": self._shapes,
            }

    return FrozenGraph


def parameters_of(model: KerasModel) -> int:
    """Return the number of weights of a model, with those in the constants of its graphs.

    Those of a convolution that prepares pixels in front of it are not its own.
    """
    graphs = [each for each in model.layers if isinstance(each, frozen_graph_layer())]
    of_pixels = pixel_kernel(model)
    own = int(model.count_params()) - (0 if of_pixels is None else int(of_pixels.count_params()))
    return sum((int(each.constants()) for each in graphs), own)


def holds_graph(model: KerasModel) -> bool:
    """Return True for a model that computes by a graph: it has no layers to train."""
    return any(isinstance(layer, frozen_graph_layer()) for layer in model.layers)


def frozen_graph_model(
    graph: Any,
    ends: tuple[str, str | Mapping[str, str]],
    values: Mapping[str, Any],
    shape: Sequence[int],
    name: str,
) -> KerasModel:
    """Return a tf-keras model of one layer: the graph, its weights, images of ``shape``."""
    image = keras.Input(tuple(shape), name="image")
    layer = frozen_graph_layer()(
        base64.b64encode(graph.SerializeToString(deterministic=True)).decode(),
        *ends,
        {key: list(value.shape) for key, value in values.items()},
        name=name,
    )
    model = keras.Model(image, layer(image))
    layer.set_weights(list(values.values()))
    return model
