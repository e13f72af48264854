"""The calls of a Keras 3 graph: which tensors enter which layer, and with which arguments."""

from collections.abc import Collection, Mapping
from typing import Any, TypeGuard

from edgecv.core.text import counted
from edgecv.formats.keras.keras3.operations import Ref
from edgecv.formats.keras.keras3.options import NoCounterpart, plain, table


def call_of(node: Any, *, of_operation: bool = False) -> Any:
    """Return the arguments of a call, with references in place of tensors.

    Those of an operation are a list of all; that of a layer is one structure.
    """
    arguments = table(node, "a call").get("args")
    if not isinstance(arguments, list):
        raise NoCounterpart("says no arguments of a call")
    keywords = dict(table(node.get("kwargs"), "arguments of a call"))
    # In Keras 3 the argument of the model's own call overrides this, also False over True.
    keywords.pop("training", None)
    if "inputs" in keywords and not arguments:
        arguments = [keywords.pop("inputs")]
    named = sorted(key for key, value in keywords.items() if not _is_nothing(value))
    if named:
        raise NoCounterpart(f"is called with {', '.join(named)}")
    takes = [_argument(each) for each in arguments]
    if of_operation:
        return takes
    if not takes or any(each is not None for each in takes[1:]):
        raise NoCounterpart(f"is called with {counted(len(takes), 'argument')}")
    return takes[0]


def _is_nothing(value: Any) -> bool:
    """Return True if an argument is None, or a structure of nothing else, as masks are."""
    if isinstance(value, list | dict):
        return all(map(_is_nothing, value.values() if isinstance(value, dict) else value))
    return value is None


def _argument(value: Any) -> Any:
    """Return a tensor's reference, a structure of them, or plain data."""
    if isinstance(value, list):
        return [_argument(each) for each in value]
    if isinstance(value, dict) and value.get("class_name") == "__keras_tensor__":
        config = table(value.get("config"), "a tensor")
        history, shape = config.get("keras_history"), config.get("shape")
        if not isinstance(shape, list) or not is_place(history):
            raise NoCounterpart("takes a tensor that nothing gives")
        name, call, output = history
        return Ref(name, call, output, tuple(shape))
    if isinstance(value, dict) and "class_name" not in value:
        return {key: _argument(each) for key, each in value.items()}
    return plain(value, "an argument")


def is_place(value: Any) -> TypeGuard[list[Any]]:
    """Return True for [name of a layer, number of a call, number of an output]."""
    return (
        isinstance(value, list)
        and len(value) == 3
        and isinstance(value[0], str)
        and all(type(number) is int and number >= 0 for number in value[1:])
    )


def tensors_of(value: Any, models: Collection[str]) -> Any:
    """Return the references of the tensors that enter or leave a model, in their structure.

    Keras 3 counts the calls of a functional model from 1 here, and from 0 in the calls.
    """
    if is_place(value):
        name, call, output = value
        return Ref(name, max(call - 1, 0) if name in models else call, output, ())
    if isinstance(value, list) and value:
        return [tensors_of(each, models) for each in value]
    if isinstance(value, dict) and value:
        return {key: tensors_of(each, models) for key, each in value.items()}
    raise NoCounterpart("does not say which tensors enter and leave it")


def chained(
    tables: list[Any], config: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return a Sequential model's layers, each called on the one before, and its config."""
    first = table(tables[0], "a layer")
    if first.get("class_name") != "InputLayer":
        shape = config.get("build_input_shape")
        if not isinstance(shape, list):
            raise NoCounterpart("has no input shape; call it on images before saving it")
        name = f"{config.get('name')}_input"
        given = {"class_name": "InputLayer", "config": {"name": name, "batch_shape": shape}}
        tables = [given, *tables]
    names: list[str] = []
    linked = []
    for each in tables:
        found = dict(table(each, "a layer"))
        inner = table(found.get("config"), "a configuration")
        found["name"] = inner.get("name")
        found["inbound_nodes"] = [_call_on(names[-1])] if names else []
        names.append(str(found["name"]))
        linked.append(found)
    ends = {"input_layers": [names[0], 0, 0], "output_layers": [names[-1], 0, 0]}
    last = linked[-1]
    if last.get("class_name") == "Functional":
        ends["output_layers"] = [names[-1], 1, 0]
    return linked, {**config, **ends}


def _call_on(name: str) -> dict[str, Any]:
    tensor = {"shape": [], "keras_history": [name, 0, 0]}
    return {"args": [{"class_name": "__keras_tensor__", "config": tensor}], "kwargs": {}}
