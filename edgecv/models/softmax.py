"""The softmax or sigmoid at the end: exported files end in it, training takes what is before."""

from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasLayer, KerasModel, Tensor
from edgecv.models.outputs import output_names, with_outputs
from edgecv.models.tf import keras


def logits_model(model: KerasModel) -> KerasModel:
    """Return a model that shares all layers but ends before the softmax or sigmoid.

    Of several outputs those without one stay as they are. Raises StepError if no output comes from
    a layer of its own with a softmax or sigmoid.
    """
    before = [_before_activation(tensor) for tensor in model.outputs]
    if all(each is None for each in before):
        raise StepError(
            f"layer {model.outputs[0].node.layer.name}",
            "is the last one and not a softmax",
            accepted="a layer with a softmax, or a sigmoid, alone",
        )
    pairs = zip(model.outputs, before, strict=True)
    return with_outputs(model, [given if each is None else each for given, each in pairs])


def _before_activation(tensor: Tensor) -> Tensor | None:
    """Return what the softmax or sigmoid behind an output takes; None for another layer."""
    last = tensor.node.layer
    inner = getattr(last, "layer", last)  # Within a quantization wrapper.
    is_one = isinstance(inner, keras.layers.Softmax) or (
        isinstance(inner, keras.layers.Activation)
        and inner.activation in (keras.activations.softmax, keras.activations.sigmoid)
    )
    return tensor.node.keras_inputs[0] if is_one else None


def separate_softmax(model: KerasModel) -> KerasModel:
    """Return the same function, with the softmax or sigmoid of each output as a layer of its own.

    An output that ends otherwise, or that another layer takes, stays as it is.
    """
    kinds = {keras.activations.softmax: "softmax", keras.activations.sigmoid: "sigmoid"}
    nodes = (node for each in model._nodes_by_depth.values() for node in each)
    taken = {tensor.node.layer.name for node in nodes for tensor in node.keras_inputs}
    found: dict[str, str] = {}
    for tensor in model.outputs:
        last = tensor.node.layer
        activation = getattr(last, "activation", None)
        is_inside = not isinstance(last, keras.layers.Activation) and activation in kinds
        if is_inside and last.name not in taken:
            found[last.name] = kinds[activation]
    if not found:
        return model

    def copy(layer: KerasLayer) -> KerasLayer:
        config = layer.get_config()
        if layer.name in found:
            config["activation"] = "linear"
        return type(layer).from_config(config)

    linear = keras.models.clone_model(model, clone_function=copy)
    linear.set_weights(model.get_weights())
    added = {name: _activation(kind, f"{name}_{kind}") for name, kind in found.items()}
    ends = [
        added.get(old.node.layer.name, lambda tensor: tensor)(new)
        for old, new in zip(model.outputs, linear.outputs, strict=True)
    ]
    return with_outputs(linear, ends, output_names(model))


def with_activation(model: KerasModel, name: str) -> tuple[KerasModel, str]:
    """Return a model of one row of logits with a softmax or sigmoid added, and a sentence on it."""
    last = model.layers[-1].name
    whole = with_outputs(model, [_activation(name, f"{last}_{name}")(model.outputs[0])])
    kind = "one logit" if model.outputs[0].shape[-1] == 1 else "logits"
    return whole, f"the model gives {kind}: a {name} was added after {last}"


def _activation(kind: str, name: str) -> KerasLayer:
    if kind == "softmax":
        return keras.layers.Softmax(name=name)
    return keras.layers.Activation(kind, name=name)
