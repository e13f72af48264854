"""Attention transfer: a student's activations are large where in the image its teacher's are.

Zagoruyko and Komodakis, "Paying more attention to attention", 2017. The map of attention is the
mean of the squared activations over the channels, so that student and teacher may have any widths;
they are compared at each height and width that both have.
"""

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.text import listed
from edgecv.models.tf import keras, tensorflow

Size = tuple[int, int]
"""Height and width of activations."""


def common_sizes(student: KerasModel, teacher: KerasModel) -> tuple[Size, ...]:
    """Return the sizes of activations that both models have, in the order of the student's layers.

    Raises InputError where there are none.
    """
    own, theirs = _activations(student), _activations(teacher)
    found = tuple(size for size in own if size in theirs)
    if found:
        return found
    sizes = [
        listed([f"{height}x{width}" for height, width in each]) if each else "none"
        for each in (own, theirs)
    ]
    raise InputError(
        "attention",
        f"the student's activations have the sizes {sizes[0]}, the teacher's {sizes[1]}",
        accepted="a size that both have; layers within a nested model are not seen",
        remedy="leave attention out, or choose other strides",
    )


def with_activations(raw: KerasModel, model: KerasModel, sizes: tuple[Size, ...]) -> KerasModel:
    """Return ``raw``, which ends before the end of ``model``, with a list of activations beside."""
    found = _activations(model)
    return keras.Model(raw.inputs, (raw.output, [found[size] for size in sizes]))


def distance(own: list[Tensor], theirs: list[Tensor]) -> Tensor:
    """Return the squared distance of unit maps of attention, the mean over sizes: (N,)."""
    each = [_distance(*pair) for pair in zip(own, theirs, strict=True)]
    return tensorflow.add_n(each) / len(each)


def _distance(own: Tensor, theirs: Tensor) -> Tensor:
    return tensorflow.reduce_sum(tensorflow.square(_map(own) - _map(theirs)), axis=1)


def _map(activations: Tensor) -> Tensor:
    """Return where activations are large, as vectors of length 1: (N, H, W, C) -> (N, H * W)."""
    squares = tensorflow.square(tensorflow.cast(activations, "float32"))
    energy = tensorflow.reduce_mean(squares, axis=-1)
    places = energy.shape[1] * energy.shape[2]
    return tensorflow.math.l2_normalize(tensorflow.reshape(energy, [-1, places]), axis=1)


def _activations(model: KerasModel) -> dict[Size, Tensor]:
    """Return the last activations of each size, from the first layer that learns: (N, H, W, C)."""
    found: dict[Size, Tensor] = {}
    learns = False
    for _, nodes in sorted(model._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            learns = learns or bool(node.layer.trainable_weights)
            for tensor in tensorflow.nest.flatten(node.outputs):
                shape = tuple(tensor.shape)
                if learns and len(shape) == 4 and None not in shape[1:] and shape[1:3] != (1, 1):
                    found[shape[1:3]] = tensor
    return found
