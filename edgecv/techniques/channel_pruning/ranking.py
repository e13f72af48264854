"""Importance of channels: a score for each unit of a width; the lowest are removed first.

L1 and L2: Li et al., "Pruning filters for efficient ConvNets", 2017. BatchNorm scale: Liu et al.,
"Learning efficient convolutional networks through network slimming", 2017. Taylor: Molchanov et
al., "Importance estimation for neural network pruning", 2019. Geometric median: He et al., "Filter
pruning via geometric median for deep convolutional neural networks acceleration", 2019.
"""

from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from edgecv.core.errors import InputError
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins import TechniqueContext
from edgecv.models.channels.coupling import Ids
from edgecv.models.channels.graph import ChannelGraph, Width
from edgecv.models.channels.layer import LayerChannels
from edgecv.models.tf import compile_function, tensorflow

Ranking = Literal["l1", "l2", "bn_scale", "taylor", "geometric_median"]
Scores = NDArray[np.float64]
"""A score per unit: float64 (all channels,), by the number of the unit."""
IMAGES_A_BATCH = 32


def scores(
    model: KerasModel, graph: ChannelGraph, ranking: Ranking, context: TechniqueContext
) -> Scores:
    """Return the importance of each unit of the model.

    Scores of different widths are not comparable. For "bn_scale" see ``check_has_scales``.
    """
    if ranking == "taylor":
        return _taylor(model, graph, context)
    total = np.zeros(len(graph.roots))
    factors = _normalization(graph)
    for known, which, number, ids in _made_axes(graph):
        values = known.layer.get_weights()[which]
        if ranking == "bn_scale" and _is_scale(known, which):
            of_channels = np.abs(values)
        elif ranking != "bn_scale" and known.made is not None and which in known.kernels:
            rows = np.moveaxis(values, number, 0).reshape(len(ids), -1).astype(np.float64)
            of_channels = _of_rows(rows * factors[ids, np.newaxis], ranking)
        else:
            continue
        # A layer of large weights must not outvote another that shares its channels.
        mean = of_channels.mean() or 1.0
        np.add.at(total, graph.roots[ids], of_channels / mean)
    return total


def check_has_scales(graph: ChannelGraph, chosen: Sequence[Width]) -> None:
    """Raise InputError if one of these widths has no scale of a BatchNormalization."""
    scaled = np.zeros(len(graph.roots), np.bool_)
    for known, which, _, ids in _made_axes(graph):
        if _is_scale(known, which):
            scaled[graph.roots[ids]] = True
    bare = [each.name for each in chosen if not scaled[each.units].all()]
    if bare:
        raise InputError(
            "shrink",
            f'"bn_scale" needs a BatchNormalization with a scale after {", ".join(bare)}',
            accepted="l1, l2, taylor, geometric_median",
            remedy="choose one of these, or exclude the layers",
        )


def _made_axes(graph: ChannelGraph) -> Iterator[tuple[LayerChannels, int, int, Ids]]:
    """Yield each axis of a weight along which a layer makes or scales channels."""
    for known in graph.layers.values():
        for which, axes in enumerate(known.weights):
            for number, axis in enumerate(axes):
                if axis is not None and axis.makes:
                    yield known, which, number, axis.ids


def _normalization(graph: ChannelGraph) -> NDArray[np.float64]:
    """Return the factor of a BatchNormalization on each channel: float64 (all channels,).

    Without it, weights before a BatchNormalization are not comparable: it rescales them.
    """
    factors = np.ones(len(graph.roots))
    normalized = np.zeros(len(graph.roots), np.bool_)
    for known in graph.layers.values():
        if type(known.layer).__name__ != "BatchNormalization" or not known.weights:
            continue
        axis = known.weights[0][0]
        assert axis is not None
        new = axis.ids[~normalized[axis.ids]]  # Only the first after a kernel is of that kernel.
        gamma = 1.0 if known.layer.gamma is None else known.layer.gamma.numpy()
        deviation = np.sqrt(known.layer.moving_variance.numpy() + known.layer.epsilon)
        by_channel = np.ones(len(graph.roots))
        by_channel[axis.ids] = np.abs(gamma / deviation)
        factors[new] = by_channel[new]
        normalized[axis.ids] = True
    return factors


def _is_scale(known: LayerChannels, which: int) -> bool:
    gamma = getattr(known.layer, "gamma", None)
    return gamma is not None and known.layer.weights[which] is gamma


def _of_rows(rows: NDArray[np.float64], ranking: Ranking) -> NDArray[np.float64]:
    """Return a score per row: (channels, weights of each) -> (channels,)."""
    if ranking == "l1":
        result: NDArray[np.float64] = np.abs(rows).sum(axis=1)
    elif ranking == "l2":
        result = np.sqrt((rows**2).sum(axis=1))
    else:
        result = np.array([np.sqrt(((rows - row) ** 2).sum(axis=1)).sum() for row in rows])
    return result


def _taylor(model: KerasModel, graph: ChannelGraph, context: TechniqueContext) -> Scores:
    """Return the squared first-order change of the loss, summed over batches of real images."""
    raw_model = context.task.raw_model(model)
    split = context.calibration

    def gradients(images: Tensor, targets: Tensor) -> Any:
        with tensorflow.GradientTape() as tape:
            loss = tensorflow.reduce_mean(
                context.task.loss(targets, raw_model(images, training=False))
            )
        return tape.gradient(
            loss,
            model.trainable_variables,
            unconnected_gradients=tensorflow.UnconnectedGradients.ZERO,
        )

    compiled = compile_function(gradients)
    names = [variable.ref() for variable in model.trainable_variables]
    total = np.zeros(len(graph.roots))
    axes = list(_made_axes(graph))
    for start in range(0, len(split), IMAGES_A_BATCH):
        part = slice(start, start + IMAGES_A_BATCH)
        found = compiled(
            split.images[part].astype(np.float32), context.task.targets(split.labels[part])
        )
        by_variable = dict(zip(names, found, strict=True))
        change = np.zeros(len(graph.roots))
        for known, which, number, ids in axes:
            variable = known.layer.weights[which]
            if variable.ref() in by_variable:
                product = by_variable[variable.ref()].numpy() * variable.numpy()
                others = tuple(axis for axis in range(product.ndim) if axis != number)
                np.add.at(change, graph.roots[ids], product.sum(axis=others))
        total += change**2
    return total
