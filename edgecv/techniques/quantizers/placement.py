"""Quantizers in a model of plain layers: one at each tensor that has a range as integers.

tensorflow-model-optimization places quantizers by patterns of two or three layers, and knows few
layers that have no weights. Here each layer gets its own by its kind, so any graph can be trained.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.models.preprocessing import is_augmentation
from edgecv.models.tf import keras
from edgecv.techniques.layer_selection import target_of
from edgecv.techniques.quantizers.first_kernels import taken_up
from edgecv.techniques.quantizers.kinds import (
    KERNELS,
    TAKES_UP_RELU,
    check_has_integers,
    has_range,
    is_fused_relu,
)
from edgecv.techniques.rewrites.replay import nodes_of, rewritten


def quantize(
    model: KerasModel, shared: Collection[str] = (), bits: Mapping[str, int] = MappingProxyType({})
) -> tuple[KerasModel, list[str]]:
    """Return a copy with quantizers, and the names of the layers that got none.

    ``shared``: layers whose kernels have one scale, so that equal weights stay equal. ``bits``:
    bits of kernels by the name pattern of layers, where they are not 8. Raises InputError if a
    layer has no integer counterpart.
    """
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_layer import (
        QuantizeLayer,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.quantize_wrapper import (
        QuantizeWrapperV2,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.quantizers import (
        AllValuesQuantizer,
    )

    left_out = taken_up(model)
    bare = {layer.name for layer in model.layers if is_augmentation(layer)} | set(left_out)
    relus = fused_relus(model)

    def wrapped(layer: KerasLayer, name: str) -> list[Any]:
        copy = type(layer).from_config({**layer.get_config(), "name": name})
        if layer.name in bare:
            return [copy]
        if layer.weights:
            copy.build(layer.get_input_shape_at(0))
            copy.set_weights(layer.get_weights())
        config = _config(layer, one_scale=layer.name in shared, is_open=layer.name in relus)
        if getattr(config, "weight_attrs", ()):
            config.weight_quantizer.num_bits = target_of(layer.name, bits, 8)
        return [QuantizeWrapperV2(copy, config)]

    def pixels() -> Any:
        bytes_of_pixels = AllValuesQuantizer(8, per_axis=False, symmetric=False, narrow_range=False)
        return QuantizeLayer(bytes_of_pixels, name="quantize_pixels")

    result = rewritten(model, wrapped, None if left_out else pixels)
    return result, left_out


def fused_relus(model: KerasModel) -> dict[str, str]:
    """Return layer -> relu for each relu that integer kernels have built into the layer before it.

    Nothing else takes that layer's output. There is one range, behind the relu.
    """
    takers: dict[int, list[Any]] = {}
    for node in nodes_of(model):
        for tensor in node.keras_inputs:
            takers.setdefault(id(tensor), []).append(node.layer)
    kept = {id(tensor) for tensor in model.outputs}
    found: dict[str, set[str] | None] = {}
    for node in nodes_of(model):
        linear = keras.activations.linear
        is_linear = getattr(node.layer, "activation", linear) is linear
        if type(node.layer).__name__ not in TAKES_UP_RELU or not is_linear:
            continue
        taking = takers.get(id(node.outputs), [])
        is_alone = len(taking) == 1 and id(node.outputs) not in kept
        if is_alone and is_fused_relu(taking[0]):
            names = found.setdefault(node.layer.name, set())
            if names is not None:
                names.add(taking[0].name)
        else:
            found[node.layer.name] = None
    return {name: min(relus) for name, relus in found.items() if relus and len(relus) == 1}


def _config(layer: KerasLayer, *, one_scale: bool, is_open: bool) -> Any:
    """Return the quantizers of one layer. ``is_open``: True if a relu behind it has the range."""
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_configs as outputs,
    )
    from tensorflow_model_optimization.python.core.quantization.keras.default_8bit import (
        default_8bit_quantize_registry as registry,
    )

    kind = type(layer).__name__
    check_has_integers(layer)
    if kind in KERNELS:
        activations = [] if is_open else ["activation"]
        if kind == "DepthwiseConv2D":
            # tfmot has one scale for all channels here. The converters round with one a channel,
            # and nine weights each that training did not see rounded lose less than that.
            return registry.Default8BitQuantizeConfig([], activations, False)
        if kind == "Conv2D" and not one_scale:
            return registry.Default8BitConvQuantizeConfig(["kernel"], activations, False)
        return registry.Default8BitQuantizeConfig(["kernel"], activations, False)
    if is_open or not has_range(layer):
        return outputs.NoOpQuantizeConfig()
    return outputs.Default8BitOutputQuantizeConfig()
