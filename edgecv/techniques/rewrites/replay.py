"""Copies of a model in which layers are replaced by chains of layers."""

from collections.abc import Callable, Sequence
from typing import Any

from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.outputs import output_names, with_outputs
from edgecv.models.tf import keras, tensorflow
from edgecv.techniques.rewrites.operator_layers import is_symbolic

Chain = list[Any]
"""New layers, called one after the other, that replace one old layer; weights are set later."""


def nodes_of(model: KerasModel) -> list[Any]:
    """Return the calls of a flat model in the order of its graph."""
    depths = sorted(model._nodes_by_depth, reverse=True)
    return [node for depth in depths for node in model._nodes_by_depth[depth]]


def makers_of(model: KerasModel) -> dict[int, Any]:
    """Return the call that makes each tensor of a flat model, by the tensor's id."""
    nodes = nodes_of(model)
    return {id(tensor): node for node in nodes for tensor in tensorflow.nest.flatten(node.outputs)}


def rewritten(
    model: KerasModel,
    replace: Callable[[Any, str], Chain],
    behind_input: Callable[[], Any] | None = None,
) -> KerasModel:
    """Return a flat copy of a model with chains of new layers for each old layer.

    ``replace`` is called once a layer, with a name for its last new layer. A new layer may bring
    its weights as ``initial_weights``, or be built with them; else the last one takes those of the
    old layer. ``behind_input`` makes a layer that every input goes through first.
    """
    names = _names(model)
    made: dict[int, Chain] = {}
    fresh: list[tuple[Any, Any]] = []

    def chain_of(layer: KerasLayer) -> Chain:
        if id(layer) not in made:
            chain = made[id(layer)] = replace(layer, names[id(layer)])
            last: Any = chain[-1]
            if not getattr(last, "layer", last).built:
                fresh.append((layer, chain))
        return made[id(layer)]

    inputs = [
        keras.Input(tensor.shape[1:], name=f"{tensor.name.split('/')[-1]}", dtype=tensor.dtype)
        for tensor in model.inputs
    ]
    given = [behind_input()(each) for each in inputs] if behind_input else inputs
    made_anew = keras.Model(inputs, _replayed(model, given, chain_of), name=model.name)
    result = with_outputs(made_anew, made_anew.outputs, output_names(model))
    for layer, chain in fresh:
        own = [each for each in chain if hasattr(each, "initial_weights")]
        for each in own:
            each.set_weights(each.initial_weights)
            del each.initial_weights
        if not own and layer.weights:
            chain[-1].set_weights(layer.get_weights())
    return result


def _replayed(
    model: KerasModel, inputs: Sequence[Any], chain_of: Callable[[Any], Chain]
) -> list[Any]:
    """Call the new layers of a model on new tensors, in the order of its graph."""
    nest = tensorflow.nest
    tensors = {id(old): new for old, new in zip(model.inputs, inputs, strict=True)}
    for node in nodes_of(model):
        if isinstance(node.layer, keras.layers.InputLayer):
            continue
        arguments, options = nest.map_structure(
            lambda each: tensors.get(id(each), each), (node.call_args, node.call_kwargs)
        )
        if hasattr(node.layer, "layers"):
            given = _replayed(node.layer, nest.flatten(arguments[0]), chain_of)
        else:
            first, *others = chain_of(node.layer)
            if getattr(first, "replaces_operator", False):  # Numbers are in the layer now.
                taken = [each for each in nest.flatten((arguments, options)) if is_symbolic(each)]
                given = first(taken if len(taken) > 1 else taken[0])
            else:
                given = first(*arguments, **options)
            for layer in others:
                given = layer(given)
        for old, new in zip(nest.flatten(node.outputs), nest.flatten(given), strict=True):
            tensors[id(old)] = new
    return [tensors[id(each)] for each in model.outputs]


def _names(model: KerasModel) -> dict[int, str]:
    """Return a name for each layer of a model and of those within it: id -> name."""
    found: dict[int, str] = {}
    taken: set[str] = set()

    def visit(outer: Any, place: str) -> None:
        for layer in outer.layers:
            if isinstance(layer, keras.layers.InputLayer) or id(layer) in found:
                continue
            if hasattr(layer, "layers"):
                visit(layer, f"{place}{layer.name}_")
                continue
            name = layer.name if layer.name not in taken else f"{place}{layer.name}"
            while name in taken:
                name += "_"
            taken.add(name)
            found[id(layer)] = name

    visit(model, "")
    return found


def renamed(layer: KerasLayer, name: str, **options: Any) -> KerasLayer:
    """Return a new layer of the same options, with another name, without weights."""
    return type(layer).from_config({**layer.get_config(), "name": name, **options})
