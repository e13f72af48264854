"""Ranges of the activations: found on real images, and shared where integers need one range."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from edgecv.core.data import Images
from edgecv.core.keras_types import KerasModel, Tensor
from edgecv.core.plugins import Constraint
from edgecv.models.float_batches import float_batches
from edgecv.models.preprocessing import is_augmentation
from edgecv.models.quantizers import PIXELS, range_of, weight_ranges, wrappers_of
from edgecv.models.tf import keras, tensorflow
from edgecv.techniques.quantizers.kinds import (
    MOVES,
    SAME_RANGE,
    TAKES_UP_RELU_IN_ITS_RANGE,
    has_range,
    is_fused_relu,
)
from edgecv.techniques.rewrites.replay import makers_of, nodes_of

Range = tuple[float, float]
KNOWN: dict[str, Range] = {"sigmoid": (0.0, 255 / 256), "tanh": (-1.0, 127 / 128)}
"""Activations whose integer kernels have one range in every TFLite file."""
INPUT = "input"
"""The pixels, among the names of layers."""


class RangePlan:
    """The layers whose outputs share a range, and the ranges that are known before any training."""

    def __init__(self) -> None:
        from scipy.cluster.hierarchy import DisjointSet

        self._groups = DisjointSet([INPUT])
        self._known: dict[str, Range] = {INPUT: PIXELS}

    def __contains__(self, name: str) -> bool:
        return name in self._groups

    def add(self, name: str, known: Range | None = None) -> None:
        """Add a layer with a range of its own."""
        self._groups.add(name)
        if known is not None:
            self._known[name] = known

    def share(self, name: str, given: Sequence[str]) -> None:
        """Give a layer and those that it takes one range.

        A known range stays as it is: the file writes such a tensor once more with the shared one,
        unless the layer takes nothing else.
        """
        known = {self.known(each) for each in given}
        if len(known) == 1 and known != {None}:
            self._groups.merge(name, given[0])
            return
        for each in given:
            if self.known(each) is None:
                self._groups.merge(name, each)

    def known(self, name: str) -> Range | None:
        """Return the range of a layer if it is known."""
        group = self._groups.subset(name)
        return next((found for each, found in self._known.items() if each in group), None)

    def groups(self) -> list[list[str]]:
        """Return the names of the layers of each range."""
        return [sorted(each) for each in self._groups.subsets()]


def plan_ranges(model: KerasModel) -> RangePlan:
    """Return the ranges that a model of plain layers is to have with quantizers."""
    makers = makers_of(model)
    plan = RangePlan()

    def sources(tensor: Tensor) -> list[str]:
        """Return the layer whose range a tensor has; none for pixels that were rescaled."""
        node = makers[id(tensor)]
        if isinstance(node.layer, keras.layers.InputLayer):
            return [INPUT]
        if type(node.layer).__name__ in MOVES or is_augmentation(node.layer):
            return sources(node.keras_inputs[0])
        return [node.layer.name] if node.layer.name in plan else []

    def is_in_range_before(node: Any) -> bool:
        if not is_fused_relu(node.layer):
            return False
        maker = makers[id(node.keras_inputs[0])].layer
        return type(maker).__name__ in TAKES_UP_RELU_IN_ITS_RANGE

    for node in nodes_of(model):
        layer = node.layer
        if not has_range(layer):
            continue
        function = getattr(getattr(layer, "activation", None), "__name__", "")
        plan.add(layer.name, KNOWN.get(function) if type(layer).__name__ == "Activation" else None)
        if type(layer).__name__ in SAME_RANGE or is_in_range_before(node):
            plan.share(layer.name, [name for each in node.keras_inputs for name in sources(each)])
    return plan


class SharedRanges(Constraint):
    """Keeps the ranges of a plan equal, and the known ones as they are."""

    def __init__(self, quantized: KerasModel, plan: RangePlan) -> None:
        limits = {wrapper.layer.name: range_of(wrapper) for wrapper in wrappers_of(quantized)}
        self._shared: list[list[Any]] = []
        self._known: list[tuple[Any, Range]] = []
        for group in plan.groups():
            found = [limits[name] for name in group if limits.get(name) is not None]
            known = plan.known(group[0])
            if known is not None:
                self._known += [(each, known) for each in found]
            elif len(found) > 1:
                self._shared.append(found)

    def project(self) -> None:
        """Give the layers of a group the range that holds all of theirs."""
        for group in self._shared:
            low = tensorflow.reduce_min([each for each, _ in group])
            high = tensorflow.reduce_max([each for _, each in group])
            for least, most in group:
                least.assign(low)
                most.assign(high)
        for (least, most), (low, high) in self._known:
            least.assign(low)
            most.assign(high)


def set_ranges(quantized: KerasModel, model: KerasModel, images: Images) -> SharedRanges:
    """Initialize the ranges by the kernels and by real images: uint8 (N, H, W, C).

    tfmot starts them at -6..6 and moves those of activations by a thousandth a step: a short
    training would end with ranges that are half empty. Returns the constraint that keeps shared
    ranges equal.
    """
    wrappers = [wrapper for wrapper in wrappers_of(quantized) if range_of(wrapper) is not None]
    layers = [model.get_layer(wrapper.layer.name) for wrapper in wrappers]
    outputs = [
        [each.get_output_at(number) for number in range(len(each.inbound_nodes))] for each in layers
    ]
    watched = keras.Model(model.inputs, outputs)
    low, high = np.zeros(len(wrappers)), np.full(len(wrappers), 1e-3)
    for batch in float_batches(images):  # Of all images at once, all layers would fill the memory.
        values = watched(batch, training=False)
        ends = ([(each.numpy().min(), each.numpy().max()) for each in given] for given in values)
        for place, found in enumerate(ends):
            low[place] = min(low[place], *(float(least) for least, _ in found))
            high[place] = max(high[place], *(float(most) for _, most in found))
    for wrapper, smallest, largest in zip(wrappers, low, high, strict=True):
        limits = range_of(wrapper)
        assert limits is not None
        least, most = limits
        least.assign(smallest)
        most.assign(largest)
    _set_ranges_of_weights(quantized)
    shared = SharedRanges(quantized, plan_ranges(model))
    shared.project()
    return shared


def _set_ranges_of_weights(quantized: KerasModel) -> None:
    """Set the ranges of kernels and pixels: known before the first step."""
    for wrapper in wrappers_of(quantized):
        for kernel, (least, most) in weight_ranges(wrapper):
            axes = tuple(range(kernel.shape.rank - 1)) if most.shape.rank else None
            largest = np.abs(kernel.numpy()).max(axis=axes)
            least.assign(-largest)
            most.assign(largest)
    for layer in quantized.layers:
        limits = getattr(layer, "quantizer_vars", None)
        if limits:
            limits["min_var"].assign(PIXELS[0])
            limits["max_var"].assign(PIXELS[1])
