"""A Keras model fitted to images: of one size, with channels last."""

from pathlib import Path
from typing import Any

from edgecv.core.artifact import TensorFacts
from edgecv.core.errors import InputError
from edgecv.core.input_spec import InputSpec
from edgecv.core.keras_types import KerasModel
from edgecv.core.text import first_line
from edgecv.formats.image_axes import OPEN, ImageAxes, image_axes
from edgecv.models.input_layer import resized_to, with_image_input


def tensor_facts(tensor: Any) -> TensorFacts:
    """Return name, shape and type of a Keras tensor."""
    return TensorFacts(
        name=str(tensor.name),
        shape=tuple(OPEN if length is None else int(length) for length in tensor.shape),
        type=str(tensor.dtype.name if hasattr(tensor.dtype, "name") else tensor.dtype),
    )


def axes_of(model: KerasModel, input_spec: InputSpec, path: Path) -> tuple[ImageAxes, str]:
    """Return the axes of a model's input, and a note if a layer tells the size of its images.

    Raises UnsuitableFile if it takes no images, or leaves their size open.
    """
    taken, given = tensor_facts(model.inputs[0]), model.outputs[0]
    note = ""
    if input_spec.input_size is None and OPEN in taken.shape[1:]:
        size = resized_to(model)
        if size is not None:
            input_spec = input_spec.model_copy(update={"input_size": size})
            note = f"images of {size[0]}x{size[1]}, the size that its Resizing layer gives"
    return image_axes(path, taken, input_spec, tensor_facts(given).shape), note


def fitted(model: KerasModel, input_spec: InputSpec, path: Path) -> tuple[KerasModel, list[str]]:
    """Return a model that takes images of one size, (N, H, W, C), and notes on what was changed.

    Raises InputError if it cannot.
    """
    if len(model.inputs) != 1:
        return model, []  # It is refused with the number of its inputs.
    axes, note = axes_of(model, input_spec, path)
    taken = tuple(model.inputs[0].shape)
    if taken == (None, *axes.image):
        return model, []
    notes = [note] if note else []
    if not note and None in taken[1:]:
        notes.append(f"images of {axes.image[0]}x{axes.image[1]}, the size that was asked for")
    if "C" not in axes.order:
        notes.append("the model takes grey images without an axis for their channel: one was added")
    if axes.order == "NCHW":
        notes.append("the model takes channels before height and width: they are moved in front")
    if axes.batch != OPEN:
        notes.append(f"the model takes {axes.batch} images at once: its batch was opened")
    try:
        return with_image_input(model, axes.order, axes.image), notes
    except Exception as error:  # whatever Keras makes of other shapes
        raise InputError(
            str(path),
            f"cannot be made to take images of {axes.image}: {first_line(error)}",
            remedy="save it with the size of its images",
        ) from error
