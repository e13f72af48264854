"""The channel graph of a model: its channels, followed from the inputs to the outputs."""

from collections.abc import Sequence
from typing import Any

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.models.channels.coupling import ChannelTies, Elements
from edgecv.models.channels.graph import Call, ChannelGraph
from edgecv.models.channels.layer import LayerChannels, hold_all
from edgecv.models.channels.rules import rule_for
from edgecv.models.tf import keras, tensorflow


def trace(model: KerasModel) -> ChannelGraph:
    """Follow the channels of a tf-keras model of fixed shapes.

    Raises InputError for a model that is no graph of layers.
    """
    if not isinstance(model, keras.Model) or not getattr(model, "_is_graph_network", False):
        raise InputError(
            getattr(model, "name", "the model"),
            "is not a graph of layers",
            accepted="Sequential and functional models",
        )
    tracer = _Tracer()
    entering = []
    for tensor in model.inputs:
        number = tracer.add(tracer.held(_fixed_shape(tensor, model.name)))
        entering.append(number)
    leaving = tuple(tracer.follow(model, entering, ""))
    for number in leaving:
        tracer.ties.hold(tracer.tensors[number].ids)
    roots = tracer.ties.roots()
    return ChannelGraph(
        tracer.layers,
        tuple(tracer.calls),
        tuple(tracer.tensors),
        roots,
        tracer.ties.held_units(roots),
        tracer.nested,
        leaving,
    )


class _Tracer:
    """The state of a trace."""

    def __init__(self) -> None:
        self.ties = ChannelTies()
        self.layers: dict[str, LayerChannels] = {}
        self.calls: list[Call] = []
        self.tensors: list[Elements] = []
        self.nested: dict[int, tuple[int, ...]] = {}
        self._paths: dict[int, str] = {}

    def add(self, elements: Elements) -> int:
        self.tensors.append(elements)
        return len(self.tensors) - 1

    def held(self, shape: tuple[int, ...]) -> Elements:
        return hold_all(self.ties, (), shape)

    def follow(self, model: KerasModel, entering: Sequence[int], prefix: str) -> list[int]:
        """Follow a model's layers in order; return the tensors that leave it."""
        known = {id(tensor): number for tensor, number in zip(model.inputs, entering, strict=True)}
        for depth in sorted(model._nodes_by_depth, reverse=True):
            for node in model._nodes_by_depth[depth]:
                if isinstance(node.layer, keras.layers.InputLayer):
                    continue
                taken = [known[id(tensor)] for tensor in node.keras_inputs]
                outputs = tensorflow.nest.flatten(node.outputs)
                # A layer can be in several places of a model: it is known by where it was first.
                path = self._paths.setdefault(id(node.layer), f"{prefix}{node.layer.name}")
                if isinstance(node.layer, keras.Model) and node.layer._is_graph_network:
                    self._enter(node.layer, taken)
                    left = self.follow(node.layer, taken, f"{path}/")
                else:
                    left = self._call(node.layer, path, taken, outputs)
                known |= dict(zip(map(id, outputs), left, strict=True))
        return [known[id(tensor)] for tensor in model.outputs]

    def _enter(self, model: KerasModel, taken: list[int]) -> None:
        """Tie the inputs of all calls of a nested model: its input layers have one shape each."""
        first = self.nested.setdefault(id(model), tuple(taken))
        for earlier, now in zip(first, taken, strict=True):
            if len(self.tensors[earlier].ids) == len(self.tensors[now].ids):
                self.ties.tie(self.tensors[earlier].ids, self.tensors[now].ids)

    def _call(
        self, layer: KerasLayer, path: str, taken: list[int], outputs: list[Any]
    ) -> list[int]:
        known = self.layers.setdefault(path, LayerChannels(path, layer))
        inputs = [self.tensors[number] for number in taken]
        rule = rule_for(layer)
        if rule is None or len(outputs) != 1:
            known.follows = False
            made = [hold_all(self.ties, inputs, _fixed_shape(tensor, path)) for tensor in outputs]
        else:
            made = [rule(self.ties, known, inputs)]
        left = [self.add(each) for each in made]
        shapes = tuple(each.shape for each in inputs)
        self.calls.append(Call(path, tuple(taken), tuple(left), shapes))
        return left


def _fixed_shape(tensor: Tensor, where: str) -> tuple[int, ...]:
    shape = tuple(tensor.shape)[1:]
    if None in shape:
        raise InputError(where, f"has a tensor of shape {tuple(tensor.shape)}", accepted="fixed")
    return tuple(int(side) for side in shape)
