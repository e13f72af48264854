"""The plan of a Keras 3 model, read from its configuration.

A plan is a tree: models of layers, a layer with its calls, and each layer as the steps that
tf-keras takes for it. All problems of a file are found here, at once.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edgecv.formats.keras.allowlist import MODELS, Problem, join, name_of
from edgecv.formats.keras.keras3.activations import ActivationStep, Steps
from edgecv.formats.keras.keras3.calls import call_of, chained, tensors_of
from edgecv.formats.keras.keras3.layers import COMMON, lambda_options, steps_of
from edgecv.formats.keras.keras3.names import snake_case
from edgecv.formats.keras.keras3.operations import operation
from edgecv.formats.keras.keras3.options import NoCounterpart, check_float32, table
from edgecv.formats.trust import NO_TRUST, Trust

INPUT_TYPES = ("float32", "uint8")
DEEPEST_MODEL = 16
OPERATIONS = ("keras.src.ops.numpy", "keras.src.ops.nn")
MODEL_KEYS = frozenset(
    {"name", "trainable", "dtype", "layers", "input_layers", "output_layers", "build_input_shape"}
)


@dataclass(frozen=True)
class LayerPlan:
    """One layer: a model of its own, an input, or steps.

    ``calls``: the arguments of each call, with tensors as references. ``group``: its group in the
    weights file; None for a layer without weights.
    """

    name: str
    path: str
    kind: str
    group: str | None
    calls: tuple[Any, ...] = ()
    steps: Steps = ()
    model: "ModelPlan | None" = None
    input_shape: tuple[int | None, ...] = ()
    trainable: bool = True


@dataclass(frozen=True)
class ModelPlan:
    """A model: its layers, and the tensors that enter and leave it.

    ``inputs`` and ``outputs``: references, in the structure that the model takes and gives.
    """

    name: str
    layers: tuple[LayerPlan, ...]
    inputs: Any
    outputs: Any
    trainable: bool = True


@dataclass
class PlanReader:
    """Reads plans, and collects their problems."""

    trust: Trust = NO_TRUST
    problems: list[Problem] = field(default_factory=list)

    def model(self, table_of_model: Any, path: str, group: str, depth: int = 0) -> ModelPlan:
        """Read a model of a configuration; an empty plan where it cannot be one."""
        kind = table_of_model.get("class_name") if isinstance(table_of_model, dict) else None
        try:
            if not isinstance(kind, str) or kind not in MODELS:
                raise NoCounterpart("is no Sequential or functional model")
            if depth > DEEPEST_MODEL:
                raise NoCounterpart("is nested too deeply")
            config = table(table_of_model.get("config"), "a configuration")
            unknown = sorted(config.keys() - MODEL_KEYS)
            if unknown:
                raise NoCounterpart(f"has the options {', '.join(unknown)}, of a class of its own")
            check_float32(config.get("dtype"))
            tables = config.get("layers")
            if not isinstance(tables, list) or not tables:
                raise NoCounterpart("has no layers")
            if kind == "Sequential":
                tables, config = chained(tables, config)
            return self._model(tables, config, path, group, depth)
        except NoCounterpart as error:
            self.problems.append(Problem(path or "the model", str(kind), str(error)))
            return ModelPlan("", (), None, None)

    def _model(
        self, tables: list[Any], config: Mapping[str, Any], path: str, group: str, depth: int
    ) -> ModelPlan:
        used: Counter[str] = Counter()
        layers = [self._layer(table(each, "a layer"), path, group, used, depth) for each in tables]
        names = Counter(layer.name for layer in layers)
        for name, count in names.items():
            if count > 1:
                raise NoCounterpart(f"has {count} layers named {name}")
        models = {layer.name for layer in layers if layer.kind == "Functional"}
        return ModelPlan(
            str(config.get("name")),
            tuple(layers),
            tensors_of(config.get("input_layers"), frozenset()),
            tensors_of(config.get("output_layers"), models),
            config.get("trainable") is not False,
        )

    def _layer(
        self, found: Mapping[str, Any], path: str, group: str, used: Counter[str], depth: int
    ) -> LayerPlan:
        name, kind = name_of(found), str(found.get("class_name"))
        place = join(path, name)
        # Keras names the groups by class, and counts them in each model.
        is_operation = found.get("module") in OPERATIONS
        where = None if is_operation else join(group, f"layers/{_group(kind, used)}")
        try:
            common: dict[str, Any] = {"name": name, "path": place, "kind": kind, "group": where}
            if kind in MODELS:
                model = self.model(found, place, where or "", depth + 1)
                return LayerPlan(**common, calls=_calls(found), model=model)
            config = table(found.get("config"), "a configuration")
            if kind == "InputLayer":
                return LayerPlan(**common, input_shape=_input_shape(config))
            if is_operation:
                call, steps = _operation(kind, config, found)
                return LayerPlan(**common, calls=(call,), steps=steps)
            steps = self._steps(kind, config)
            return LayerPlan(
                **common,
                calls=_calls(found),
                steps=steps,
                trainable=config.get("trainable") is not False,
            )
        except NoCounterpart as error:
            self.problems.append(Problem(place, kind, str(error)))
        return LayerPlan(name, place, kind, where)

    def _steps(self, kind: str, config: Mapping[str, Any]) -> Steps:
        if kind in self.trust.names():
            check_float32(config.get("dtype"))
            options = {key: each for key, each in config.items() if key not in COMMON}
            return (ActivationStep(kind, options),)
        if kind == "Lambda" and self.trust.everything:
            return (ActivationStep(kind, lambda_options(config)),)
        return steps_of(kind, config)


def _group(kind: str, used: Counter[str]) -> str:
    """Return the name of a layer's group in the weights file, as Keras 3 makes it.

    >>> used = Counter()
    >>> [_group(kind, used) for kind in ("Conv2D", "ReLU", "Conv2D", "GlobalAveragePooling2D")]
    ['conv2d', 're_lu', 'conv2d_1', 'global_average_pooling2d']
    """
    name = snake_case(kind)
    used[name] += 1
    return name if used[name] == 1 else f"{name}_{used[name] - 1}"


def _calls(found: Mapping[str, Any]) -> tuple[Any, ...]:
    nodes = found.get("inbound_nodes")
    if not isinstance(nodes, list):
        raise NoCounterpart("says no calls")
    return tuple(call_of(node) for node in nodes)


def _operation(kind: str, config: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[Any, Steps]:
    nodes = found.get("inbound_nodes")
    if not isinstance(nodes, list) or len(nodes) != 1:
        raise NoCounterpart("is an operation that is not called once")
    return operation(kind, config, call_of(nodes[0], of_operation=True))


def _input_shape(config: Mapping[str, Any]) -> tuple[int | None, ...]:
    known = COMMON | {"batch_shape", "batch_input_shape", "sparse", "ragged", "optional"}
    unknown = sorted(config.keys() - known)
    if unknown or config.get("sparse") or config.get("ragged") or config.get("optional"):
        raise NoCounterpart(f"is no plain input ({', '.join(unknown) or 'sparse or optional'})")
    if config.get("dtype", "float32") not in INPUT_TYPES:
        raise NoCounterpart(f"takes {config['dtype']}, and not {' or '.join(INPUT_TYPES)}")
    shape = config.get("batch_shape", config.get("batch_input_shape"))
    if not isinstance(shape, list) or len(shape) < 2:
        raise NoCounterpart("says no shape")
    if not all(side is None or (type(side) is int and side > 0) for side in shape):
        raise NoCounterpart("has a shape that is none")
    return tuple(shape[1:])
