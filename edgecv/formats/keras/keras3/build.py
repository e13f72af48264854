"""Construction of a tf-keras model from a plan: layers are made, called and given their weights.

No layer is made whose weights the file does not store, so a small file cannot exhaust the memory.
"""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.core.text import first_line, short_name
from edgecv.formats.keras.allowlist import Problem
from edgecv.formats.keras.keras3.activations import ActivationStep
from edgecv.formats.keras.keras3.names import Names, valid_name
from edgecv.formats.keras.keras3.operations import Ref
from edgecv.formats.keras.keras3.plan import LayerPlan, ModelPlan
from edgecv.formats.keras.keras3.weights import KerasWeights
from edgecv.formats.keras.sizes import LARGEST_TENSOR
from edgecv.models.tf import keras, tensorflow


class Unbuildable(Exception):
    """A layer that cannot be rebuilt, and why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.reason)
        self.problem = problem


class Untranslatable(Unbuildable):
    """A layer that Keras 3 may well run, and tf-keras cannot."""


@dataclass
class Made:
    """A layer as it was made: its steps, or one nested model. ``outputs``: of each call."""

    layers: list[Any]
    outputs: list[Any] = field(default_factory=list)


class Builder:
    """Builds one model of a file, and those nested in it.

    ``ends`` maps the path of a Keras 3 layer to the tf-keras layer that gives its output.
    """

    def __init__(self, weights: KerasWeights, objects: Mapping[str, Any] | None = None) -> None:
        self.ends: dict[str, Any] = {}
        self._weights = weights
        self._objects = objects or {}

    def build(self, plan: ModelPlan) -> KerasModel:
        """Return the tf-keras model of a plan. Raises Unbuildable, UnusableWeights."""
        names = Names(layer.name for layer in plan.layers)
        made = {layer.name: Made(self._make(layer, names)) for layer in plan.layers}
        for layer in plan.layers:
            if layer.kind == "InputLayer":
                entering = keras.Input(layer.input_shape, name=names.of(layer.name))
                _check_size(layer, entering)
                made[layer.name].outputs.append(entering)
        self._connect(plan, made)
        model = keras.Model(
            _tensors(plan.inputs, made), _tensors(plan.outputs, made), name=valid_name(plan.name)
        )
        if not plan.trainable:
            model.trainable = False
        return model

    def _make(self, layer: LayerPlan, names: Names) -> list[Any]:
        if layer.model is not None:
            layers = [self.build(layer.model)]
        else:
            layers = [_attempt(layer, self._layer, step, layer, names) for step in layer.steps]
        if layers:
            self.ends[layer.path] = layers[-1]
        return layers

    def _layer(self, step: ActivationStep, layer: LayerPlan, names: Names) -> Any:
        name = names.free(f"{layer.name}_{step.suffix}") if step.suffix else names.of(layer.name)
        options = {"name": name, "trainable": layer.trainable, "dtype": "float32", **step.options}
        own: Any = self._objects.get(step.class_name)
        if own is None:
            return getattr(keras.layers, step.class_name).from_config(options)
        is_layer = isinstance(own, type) and issubclass(own, keras.layers.Layer)
        if not is_layer:
            raise TypeError(
                f"{own.__module__}.{step.class_name} is no layer of tf-keras: its module should"
                " begin with from tensorflow import keras"
            )
        return own.from_config(options)

    def _connect(self, plan: ModelPlan, made: Mapping[str, Made]) -> None:
        """Make all calls, each as soon as its inputs exist."""
        waiting = [layer for layer in plan.layers if layer.calls]
        while waiting:
            called = sum([self._call_ready(layer, made) for layer in waiting])
            waiting = [x for x in waiting if len(made[x.name].outputs) < len(x.calls)]
            if waiting and not called:
                raise _unbuildable(waiting[0], "takes a tensor that nothing gives")

    def _call_ready(self, layer: LayerPlan, made: Mapping[str, Made]) -> int:
        """Make the next calls of a layer whose inputs exist, and return their number."""
        outputs = made[layer.name].outputs
        before = len(outputs)
        for takes in layer.calls[before:]:
            if not all(_is_there(ref, made) for ref in _references(takes)):
                break
            outputs.append(self._called(layer, made[layer.name].layers, _tensors(takes, made)))
        return len(outputs) - before

    def _called(self, layer: LayerPlan, layers: list[Any], entering: Any) -> Any:
        if layer.model is not None:
            return _attempt(layer, layers[0], entering)
        given = [entering]
        for step, made in zip(layer.steps, layers, strict=True):
            taken = [given[number] for number in step.takes]
            is_new = not made.built
            if is_new:
                self._check_kernel(layer, step, taken[0])
            result = _attempt(layer, made, taken if len(taken) > 1 else taken[0])
            _check_size(layer, result)
            if is_new and len(given) == 1:
                self._give_weights(layer, made)
            given.append(result)
        return given[-1]

    def _check_kernel(self, layer: LayerPlan, step: ActivationStep, entering: Any) -> None:
        """Raise Unbuildable, before memory is allocated, if the stored kernel has another size."""
        if layer.group is None or isinstance(entering, list | dict):
            return
        expected = _kernel_values(step, tuple(entering.shape))
        shapes = self._weights.shapes(self._weights.place(layer.group, layer.name))
        stored = shapes[0] if shapes else (0,)
        if expected not in (None, math.prod(stored)):
            reason = f"has a kernel of shape {stored} in the file, and needs {expected} values"
            raise _unbuildable(layer, reason)

    def _give_weights(self, layer: LayerPlan, made: KerasLayer) -> None:
        if layer.group is None:
            return
        group = self._weights.place(layer.group, layer.name)
        if layer.kind in self._objects:
            self._give_inner_weights(layer, made, group)
            return
        arrays = self._weights.arrays(group)
        expected = [tuple(weight.shape) for weight in made.weights]
        stored = [array.shape for array in arrays]
        if expected != stored:
            # Also a layer shared between models, which Keras 3 itself cannot load again.
            raise _unbuildable(layer, f"has weights of shapes {stored}, and needs {expected}")
        if arrays:
            made.set_weights(arrays)
            if hasattr(made, "finalize_state"):
                made.finalize_state()

    def _give_inner_weights(self, layer: LayerPlan, made: KerasLayer, group: str) -> None:
        """Give a layer of the user's own its weights, and those of the layers that it holds.

        Keras 3 stores these under the attribute that holds them.
        """
        own = [*made._trainable_weights, *made._non_trainable_weights]
        arrays = self._weights.arrays(group)
        expected, stored = [tuple(each.shape) for each in own], [each.shape for each in arrays]
        if expected != stored:
            raise _untranslatable(layer, f"has weights of shapes {stored}, and needs {expected}")
        for variable, array in zip(own, arrays, strict=True):
            variable.assign(array)
        inner = {id(each) for each in made._flatten_layers(recursive=False, include_self=False)}
        for name, value in vars(made).items():
            if id(value) in inner:
                inner.discard(id(value))
                self._give_inner_weights(layer, value, f"{group}/{name.lstrip('_')}")
        if inner:
            raise _untranslatable(layer, "holds layers in a list: hold each as an attribute")


def _untranslatable(layer: LayerPlan, reason: str) -> Untranslatable:
    return Untranslatable(Problem(layer.path, layer.kind, reason))


def _unbuildable(layer: LayerPlan, reason: str) -> Unbuildable:
    return Unbuildable(Problem(layer.path, layer.kind, reason))


def _references(takes: Any) -> Iterator[Ref]:
    """Give the tensors of a structure."""
    if isinstance(takes, Ref):
        yield takes
    elif isinstance(takes, list | dict):
        for each in takes.values() if isinstance(takes, dict) else takes:
            yield from _references(each)


def _is_there(ref: Ref, made: Mapping[str, Made]) -> bool:
    return ref.layer in made and ref.call < len(made[ref.layer].outputs)


def _tensors(takes: Any, made: Mapping[str, Made]) -> Any:
    """Return the Keras tensors of a structure of references."""
    if isinstance(takes, list):
        return [_tensors(each, made) for each in takes]
    if isinstance(takes, dict):
        return {key: _tensors(each, made) for key, each in takes.items()}
    if isinstance(takes, Ref) and _is_there(takes, made):
        outputs = tensorflow.nest.flatten(made[takes.layer].outputs[takes.call])
        if takes.output < len(outputs):
            return outputs[takes.output]
    name = takes.layer if isinstance(takes, Ref) else short_name(takes)
    raise Unbuildable(Problem("the model", "graph", f"takes what {name!r} does not give"))


def _attempt(layer: LayerPlan, make: Callable[..., Any], *arguments: Any) -> Any:
    try:
        return make(*arguments)
    except Exception as error:  # noqa: BLE001  whatever tf-keras makes of options and shapes
        raise _untranslatable(layer, f"is not possible in tf-keras: {first_line(error)}") from None


def _check_size(layer: LayerPlan, tensor: Tensor) -> None:
    if math.prod(side or 1 for side in tuple(tensor.shape)[1:]) > LARGEST_TENSOR:
        raise _unbuildable(layer, f"gives a tensor of shape {tuple(tensor.shape)}")


def _kernel_values(step: ActivationStep, shape: tuple[Any, ...]) -> int | None:
    """Return how many values a layer's kernel will have; None for a layer that has none."""
    options, channels = step.options, shape[-1]
    if channels is None:
        return None
    sides = options.get("kernel_size", 1)
    area = math.prod(sides) if isinstance(sides, list) else int(sides)
    if step.class_name == "Dense":
        return int(channels * options["units"])
    if step.class_name.startswith(("Depthwise", "Separable")):
        return int(area * channels * options.get("depth_multiplier", 1))
    if step.class_name.startswith("Conv"):
        return int(area * channels * options["filters"]) // int(options.get("groups", 1))
    return None
