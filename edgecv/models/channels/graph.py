"""The graph of channels that depend on each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import prod

import numpy as np
from numpy.typing import NDArray

from edgecv.core.keras_types import KerasLayer
from edgecv.models.channels.coupling import Elements, Ids
from edgecv.models.channels.layer import LayerChannels

Alive = NDArray[np.bool_]
"""A mask of the kept channels, by number: bool (all channels,); the same throughout a unit."""


@dataclass(frozen=True)
class Call:
    """One use of a layer, in the order of execution."""

    path: str
    """The path of the layer."""
    inputs: tuple[int, ...]
    """Tensors by number."""
    outputs: tuple[int, ...]
    shapes: tuple[tuple[int, ...], ...]
    """Shapes of the inputs, without the batch."""


@dataclass(frozen=True)
class Width:
    """Channels that the same layers make, and that may be removed, unit by unit."""

    name: str
    makers: tuple[str, ...]
    """Paths of the layers that make them: several where an addition ties them."""
    units: Ids
    channels_each: int
    """Channels of one layer in a unit: several where the groups of a convolution go together."""

    @property
    def channels(self) -> int:
        """Channels that one layer makes of this width."""
        return len(self.units) * self.channels_each

    def __len__(self) -> int:
        return len(self.units)


@dataclass(frozen=True)
class ChannelGraph:
    """The layers, calls and tensors of a model, with the units that its channels belong to."""

    layers: Mapping[str, LayerChannels]
    calls: tuple[Call, ...]
    tensors: tuple[Elements, ...]
    roots: Ids
    """The unit of each channel."""
    held: NDArray[np.bool_]
    """By unit: True if it cannot be removed."""
    nested: Mapping[int, tuple[int, ...]]
    """By id of a nested model: the tensors that enter its first call."""
    outputs: tuple[int, ...]
    """Tensors that leave the model."""

    @cached_property
    def widths(self) -> tuple[Width, ...]:
        """The removable units, grouped by the layers that make them."""
        makers: dict[int, list[str]] = {}
        for path, known in self.layers.items():
            if known.made is not None:
                for unit in dict.fromkeys(self.roots[known.made].tolist()):
                    makers.setdefault(unit, []).append(path)
        groups: dict[tuple[str, ...], list[int]] = {}
        for unit, paths in makers.items():
            if not self.held[unit]:
                groups.setdefault(tuple(paths), []).append(unit)
        return tuple(
            Width("+".join(paths), paths, np.array(units, np.int64), self._share(paths[0], units))
            for paths, units in groups.items()
        )

    def _share(self, path: str, units: Sequence[int]) -> int:
        """Return how many channels of a layer each of its units has."""
        made = self.layers[path].made
        assert made is not None
        return int(np.isin(self.roots[made], units).sum()) // len(units)

    @property
    def whole(self) -> tuple[str, ...]:
        """The layers, except the outputs, none of whose channels can be removed."""
        ends = np.concatenate([self.roots[self.tensors[each].ids] for each in self.outputs])
        return tuple(
            path
            for path, known in self.layers.items()
            if known.made is not None
            and self.held[self.roots[known.made]].all()
            and not np.isin(self.roots[known.made], ends).any()
        )

    @property
    def not_followed(self) -> tuple[str, ...]:
        """The layers whose channels are all held because their kind is unknown, with that kind."""
        return tuple(
            f"{path} ({type(known.layer).__name__})"
            for path, known in self.layers.items()
            if not known.follows
        )

    @cached_property
    def _by_identity(self) -> Mapping[int, LayerChannels]:
        return {id(known.layer): known for known in self.layers.values()}

    @cached_property
    def positions(self) -> Mapping[str, int]:
        """By layer: the number of positions of its kernel, in all its calls."""
        found = dict.fromkeys(self.layers, 0)
        for call in self.calls:
            found[call.path] += self.positions_of(call)
        return found

    def positions_of(self, call: Call) -> int:
        """Return the number of kernel positions of a call: of its input for a transposed kernel."""
        is_transposed = type(self.layers[call.path].layer).__name__ == "Conv2DTranspose"
        shape = call.shapes[0] if is_transposed else self.tensors[call.outputs[0]].shape
        return prod(shape[:-1])

    def touched_by(self, width: Width) -> tuple[str, ...]:
        """Return the layers whose weights get smaller with a width."""
        inside = np.zeros(len(self.roots), np.bool_)
        inside[width.units] = True
        return tuple(
            path
            for path, known in self.layers.items()
            if any(
                axis is not None and inside[self.roots[axis.ids]].any()
                for axes in known.weights
                for axis in axes
            )
        )

    def layer(self, layer: KerasLayer) -> LayerChannels:
        """Return the channels of a layer of the traced model."""
        return self._by_identity[id(layer)]

    def output_of(self, path: str) -> int:
        """Return the tensor that the first call of a layer gives."""
        return next(call.outputs[0] for call in self.calls if call.path == path)

    def everything(self) -> Alive:
        """Return the mask that keeps all channels."""
        return np.ones(len(self.roots), np.bool_)

    def without(self, units: Ids | Sequence[int]) -> Alive:
        """Return the mask of the channels that are kept without these units."""
        removed = np.zeros(len(self.roots), np.bool_)
        removed[units] = True
        return ~removed[self.roots]

    def kept_shape(self, tensor: int, alive: Alive) -> tuple[int, ...]:
        """Return the shape of a tensor, for one image, with the kept channels only."""
        elements = self.tensors[tensor]
        return (*elements.shape[:-1], int(alive[elements.ids].sum()))
