"""Inspection of a Keras file; its importer decides what is safe to load."""

import math
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from edgecv.core.costs import LayerCost
from edgecv.core.errors import InputError
from edgecv.core.input_spec import DEFAULT_INPUT, InputSpec
from edgecv.core.keras_types import KerasLayer, KerasModel
from edgecv.core.text import counted
from edgecv.formats.contents import OPEN, Contents, End, Operator, known_total, total
from edgecv.formats.dtypes import bytes_of, count
from edgecv.formats.keras.image_input import fitted
from edgecv.formats.keras.keras2 import hdf5_version
from edgecv.formats.keras.keras3.archive import keras_version
from edgecv.formats.saved_model.frozen_graph import frozen_graph_layer, parameters_of
from edgecv.formats.trust import NO_TRUST

QUANTIZERS = "QuantizeWrapper"
KERNELS = ("kernel", "depthwise_kernel")
KERNEL_LAYERS = frozenset("Conv1D Conv2D Conv3D Conv2DTranspose DepthwiseConv2D Dense".split())
NOT_COUNTED = ("Dot", "FrozenGraph")
WITHOUT_PRODUCTS = (
    "Embedding",
    "PReLU",
    "BatchNormalization",
    "LayerNormalization",
    "Normalization",
)
"""Layers whose weights are multiplied with single elements, or looked up."""
CALLS = ("TFOpLambda", "SlicingOpLambda")
PRODUCTS = ("matmul", "einsum", "tensordot", "conv", "__matmul__")
"""Parts of the names of the functions of TensorFlow that multiply matrices."""
BYTES_OF_FLOAT32 = 4


def read(path: Path, suffix: str, input_spec: InputSpec = DEFAULT_INPUT) -> Contents:
    """Read a Keras file. Raises InputError if it is not one, or not safe to load.

    ``suffix``: that of such content, used if the file has another one.
    """
    from edgecv.core.registry import IMPORTERS
    from edgecv.formats.lookup import importer_of

    if any(path.suffix.lower() in cls.suffixes for cls in IMPORTERS.classes.values()):
        return _contents(importer_of(path).load(path, NO_TRUST), path, input_spec)
    with tempfile.TemporaryDirectory(prefix="edgecv-inspect-") as folder:
        renamed = Path(folder) / f"model{suffix}"
        renamed.symlink_to(path.absolute())
        try:
            model = importer_of(renamed).load(renamed, NO_TRUST)
        except InputError as error:
            raise InputError(
                str(path), error.found, accepted=error.accepted, remedy=error.remedy
            ) from None
        return _contents(model, path, input_spec)


def _contents(file: KerasModel, path: Path, input_spec: InputSpec) -> Contents:
    from edgecv.models.channels.costs import cost_of_model

    peak = None
    model, notes = file, list[str]()
    if input_spec.input_size is not None and None in tuple(file.inputs[0].shape)[1:]:
        model, notes = fitted(file, input_spec, path)
    layers = dict(_layers(model, "", set()))
    try:
        cost = cost_of_model(model)
    except InputError as error:
        notes.append(f"what depends on shapes is not known: {error.where} {error.reason}")
        uses = [_use(name, layer) for name, layer in layers.items()]
    else:
        uses, peak = list(cost.layers), cost.peak_activations
    operators = tuple(_operators(uses, layers))
    if wrapped := [each for each in operators if each.type.startswith(QUANTIZERS)]:
        notes.append(
            f"the ranges and counters of {counted(len(wrapped), 'quantizer')} of"
            " tensorflow-model-optimization are among the parameters"
        )
    return Contents(
        format="keras",
        facts={
            "name": model.name,
            "made by": f"Keras {keras_version(path) or hdf5_version(path) or 2}",
        },
        inputs=_ends(file.input_names, file.inputs),
        outputs=_ends(model.output_names, model.outputs),
        operators=operators,
        parameters=parameters_of(model),
        macs=total(each.macs for each in operators),
        known_macs=known_total(each.macs for each in operators),
        peak_activation_bytes=None if peak is None else peak * BYTES_OF_FLOAT32,
        peak_activation_bytes_int8=peak,
        notes=tuple(notes),
    )


def _layers(model: KerasModel, prefix: str, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """Yield each layer once, with its path through nested models."""
    for layer in model.layers:
        if id(layer) in seen or type(layer).__name__ == "InputLayer":
            continue
        seen.add(id(layer))
        if getattr(layer, "_is_graph_network", False):
            yield from _layers(layer, f"{prefix}{layer.name}/", seen)
        else:
            yield f"{prefix}{layer.name}", layer


def _use(name: str, layer: KerasLayer) -> LayerCost:
    """Return the cost of a layer in a model with open shapes; an unknown cost is OPEN."""
    shape = getattr(layer, "output_shape", None)
    is_one = isinstance(shape, tuple) and all(s is None or isinstance(s, int) for s in shape)
    sides = tuple(OPEN if side is None else side for side in (shape or ())[1:]) if is_one else ()
    return LayerCost(name, type(layer).__name__, sides, OPEN, layer.count_params(), OPEN)


def _operators(uses: Sequence[LayerCost], layers: Mapping[str, Any]) -> Iterator[Operator]:
    counted: set[str] = set()
    for use in uses:
        layer = layers[use.name]
        is_first = use.name not in counted
        counted.add(use.name)
        weights = [(str(each.dtype.name), math.prod(each.shape)) for each in layer.weights]
        kind = type(layer).__name__
        yield Operator(
            name=use.name,
            type=f"{kind}({type(layer.layer).__name__})" if kind.startswith(QUANTIZERS) else kind,
            output_shape=(1, *use.output_shape),
            parameters=use.parameters,
            macs=_macs(layer, use),
            activation_type=str(layer.compute_dtype),
            weight_type=max(weights, key=lambda each: each[1])[0] if weights else "",
            weight_scales=0,
            weight_bytes=sum(bytes_of(*each) or 0 for each in weights) if is_first else 0,
            arithmetic="float",
        )


def _macs(layer: KerasLayer, use: LayerCost) -> int | None:
    """Return the multiply-accumulates of a layer; None if they are unknown."""
    if use.macs > 0:
        return use.macs
    if isinstance(layer, frozen_graph_layer()):
        known: int | None = layer.macs()
        return known
    inner = layer.layer if type(layer).__name__.startswith(QUANTIZERS) else layer
    kernel = next((getattr(inner, name) for name in KERNELS if hasattr(inner, name)), None)
    if kernel is None:
        return None if _multiplies(inner) else 0
    if type(inner).__name__ not in KERNEL_LAYERS:
        return None
    is_transposed = type(inner).__name__ == "Conv2DTranspose"
    shape = tuple(layer.input_shape)[1:] if is_transposed else use.output_shape
    first = getattr(inner, "data_format", None) == "channels_first"
    places = count(tuple(OPEN if s is None else s for s in (shape[1:] if first else shape[:-1])))
    return None if places is None else places * math.prod(kernel.shape)


def _multiplies(layer: KerasLayer) -> bool:
    """Return True for a layer that may multiply matrices in a way that is not counted."""
    kind = type(layer).__name__
    if kind in NOT_COUNTED or (kind in CALLS and any(each in layer.name for each in PRODUCTS)):
        return True
    has_matrix = any(len(each.shape) > 1 for each in layer.weights)
    return has_matrix and kind not in WITHOUT_PRODUCTS


def _ends(names: Sequence[str], tensors: Sequence[Any]) -> tuple[End, ...]:
    ends = []
    for name, tensor in zip(names, tensors, strict=True):
        sides = tuple(OPEN if side is None else int(side) for side in tensor.shape)
        ends.append(End(name, sides, tensor.dtype.name, open_sides=("",) * sides.count(OPEN)))
    return tuple(ends)
