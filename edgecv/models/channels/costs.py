"""Costs of a model, layer by layer, as it is or with some channels removed."""

from collections.abc import Collection, Mapping
from math import prod

from edgecv.core.costs import LayerCost, ModelCost
from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel
from edgecv.models.channels.graph import Alive, ChannelGraph
from edgecv.models.channels.layer import LayerChannels
from edgecv.models.channels.trace import trace

IN_PLACE = frozenset(
    """
    Flatten Reshape Dropout SpatialDropout2D GaussianNoise GaussianDropout AlphaDropout
    ActivityRegularization BatchNormalization Activation ReLU LeakyReLU ELU ThresholdedReLU PReLU
    Rescaling Normalization
    """.split()
)
"""Layers that a converter folds into the one before, or that only reinterpret memory."""


def cost_of_model(model: KerasModel) -> ModelCost:
    """Return the costs of a tf-keras model of fixed shapes.

    Raises InputError for a layer with weights whose multiply-accumulates are not known.
    """
    graph = trace(model)
    for path, known in graph.layers.items():
        if known.layer.weights and not known.weights:
            raise InputError(path, f"the costs of {type(known.layer).__name__} are not known")
    return cost_of(graph, graph.everything())


def cost_of(graph: ChannelGraph, alive: Alive) -> ModelCost:
    """Return the costs of a model with only these channels kept."""
    layers = []
    counted: set[str] = set()
    for call in graph.calls:
        known = graph.layers[call.path]
        first = call.path not in counted
        counted.add(call.path)
        shape, sizes = graph.kept_shape(call.outputs[0], alive), kept_sizes(known, alive)
        layers.append(
            LayerCost(
                name=call.path,
                type=type(known.layer).__name__,
                output_shape=shape,
                macs=sum(sizes[kernel] for kernel in known.kernels) * graph.positions_of(call),
                # The weights of a layer that is called twice are stored once.
                parameters=sum(sizes) if first else 0,
                activations=prod(shape),
            )
        )
    return ModelCost(
        macs=sum(layer.macs for layer in layers),
        parameters=sum(layer.parameters for layer in layers),
        peak_activations=_peak(graph, alive),
        layers=tuple(layers),
    )


def totals(
    graph: ChannelGraph, alive: Alive, paths: Collection[str] | None = None
) -> tuple[int, int]:
    """Return multiply-accumulates and parameters, of all layers or of some."""
    chosen = graph.layers if paths is None else paths
    macs = parameters = 0
    for path in chosen:
        known = graph.layers[path]
        sizes = kept_sizes(known, alive)
        parameters += sum(sizes)
        macs += sum(sizes[kernel] for kernel in known.kernels) * graph.positions[path]
    return macs, parameters


def kept_sizes(known: LayerChannels, alive: Alive) -> list[int]:
    """Return the number of values in each weight of a layer, along the kept channels."""
    sizes = []
    for number, variable in enumerate(known.layer.weights):
        axes = known.weights[number] if known.weights else (None,) * len(variable.shape)
        sides = zip(variable.shape, axes, strict=True)
        sizes.append(
            prod(int(side) if axis is None else int(alive[axis.ids].sum()) for side, axis in sides)
        )
    return sizes


def _peak(graph: ChannelGraph, alive: Alive) -> int:
    """Return the most activations that are needed at one time, layer after layer in order.

    A layer that works in place shares the memory of what enters it.
    """
    owner: dict[int, int] = {}
    for call in graph.calls:
        in_place = type(graph.layers[call.path].layer).__name__ in IN_PLACE
        for output in call.outputs:
            owner[output] = owner.get(call.inputs[0], call.inputs[0]) if in_place else output
    sizes = _sizes(graph, alive, owner)
    first_use: dict[int, int] = {}
    last_use: dict[int, int] = {}
    for moment, call in enumerate(graph.calls):
        for tensor in (*call.inputs, *call.outputs):
            place = owner.get(tensor, tensor)
            first_use.setdefault(place, moment)
            last_use[place] = moment
    return max(
        (
            sum(sizes[each] for each in sizes if first_use[each] <= moment <= last_use[each])
            for moment in range(len(graph.calls))
        ),
        default=0,
    )


def _sizes(graph: ChannelGraph, alive: Alive, owner: Mapping[int, int]) -> dict[int, int]:
    """Return the elements of each piece of memory: of the largest tensor that shares it."""
    sizes: dict[int, int] = {}
    for call in graph.calls:
        for tensor in (*call.inputs, *call.outputs):
            place = owner.get(tensor, tensor)
            size = prod(graph.kept_shape(tensor, alive))
            sizes[place] = max(sizes.get(place, 0), size)
    return sizes
