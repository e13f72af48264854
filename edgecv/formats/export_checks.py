"""Checks of a precision, a model and the calibration images before a format converts them."""

import numpy as np

from edgecv.core.data import Images, Shape
from edgecv.core.errors import StepError
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import counted

SHOWN = 3
"""The most layer names that a message lists; it counts the others."""


def check_model(model: KerasModel, where: str) -> Shape:
    """Return height, width and channels of the model's one input.

    Raises StepError unless the model has one image input, and if a weight is NaN or infinite:
    converters accept such weights and return another type than asked for.
    """
    inputs = model.inputs or []
    if len(inputs) != 1:
        found = f"the model has {counted(len(inputs), 'input')}"
        raise StepError(where, found, accepted="one input of images")
    shape = tuple(inputs[0].shape[1:])
    if len(shape) != 3 or None in shape:
        raise StepError(
            where,
            f"the model's input is {[None, *shape]}",
            accepted="images of a fixed height, width and channels",
            remedy="build the model with a fixed input shape",
        )
    for layer in model.layers:
        for weight in layer.weights:
            values = np.asarray(weight)
            bad = int(np.count_nonzero(~np.isfinite(values)))
            if bad:
                raise StepError(
                    where,
                    f'layer "{layer.name}": {bad} of {counted(values.size, "number")} of'
                    f" {weight.name} are NaN or infinite",
                    remedy="the training has diverged: train again with a smaller learning rate",
                )
    height, width, channels = (int(length) for length in shape)
    return height, width, channels


DEADLY_AS_INT8 = ("softplus", "mish", "exponential", "exp", "selu")
"""Functions that crash the converter of TensorFlow 2.21, by a signal, in int8."""


def check_convertible_to_int8(model: KerasModel, where: str) -> None:
    """Raise StepError if TensorFlow's converter would crash this process instead of failing."""
    for layer in model._flatten_layers(include_self=False):
        activation = getattr(getattr(layer, "layer", layer), "activation", None)
        called = getattr(layer, "symbol", None)  # An operation of TensorFlow as a layer has one.
        names = (getattr(activation, "__name__", ""), str(called or "").rpartition(".")[2])
        if deadly := [name for name in names if name in DEADLY_AS_INT8]:
            raise StepError(
                where,
                f'layer "{layer.name}": TensorFlow cannot make int8 of {deadly[0]}',
                remedy="choose int16x8, float16 or the onnx format, or replace it by relu or swish",
            )


def check_calibration(images: Images, shape: Shape, where: str) -> Images:
    """Return calibration images for an input of ``shape``. Raises StepError if they do not fit.

    ``images``: uint8 (N, H, W, C), 0..255.
    """
    if len(images) == 0:
        raise StepError(
            where,
            "there are no images to find the ranges of the activations with",
            remedy="give calibration images, or choose a precision that needs none",
        )
    if images.dtype != np.uint8 or images.shape[1:] != shape:
        raise StepError(
            where,
            f"calibration images are {images.dtype} {list(images.shape)}",
            accepted=f"uint8 [images, {', '.join(map(str, shape))}], as the model takes them",
        )
    return images
