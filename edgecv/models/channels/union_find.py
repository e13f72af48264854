"""Channels that must stay or go together: a union-find with some channels held in place.

Every channel that a layer makes is an integer. An addition ties the channels of its inputs, a
concatenation lays them side by side, a layer that is not known holds them.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
"""Channels by number: int64 (channels,)."""
Values = NDArray[np.float64]
"""The value that each channel has once it is removed: float64 (channels,)."""


@dataclass(frozen=True)
class Elements:
    """The channels of a tensor's elements, for one image: they change along the last axis."""

    shape: tuple[int, ...]
    ids: Ids
    values: Values
    """0 where a removed channel leaves nothing behind; sigmoid makes 0.5 of it."""

    def with_shape(self, shape: tuple[int, ...]) -> "Elements":
        """Return the same channels in another shape."""
        return Elements(shape, self.ids, self.values)


class UnionFind:
    """A growing set of channels, tied into units, some of them held."""

    def __init__(self) -> None:
        self._parents: list[int] = []
        self._held: list[int] = []

    def new(self, count: int) -> Ids:
        """Return ``count`` new channels, each a unit of its own."""
        first = len(self._parents)
        self._parents.extend(range(first, first + count))
        return np.arange(first, first + count)

    def hold(self, ids: Ids) -> None:
        """Keep these channels, and all that are or will be tied to them."""
        self._held.extend(ids.tolist())

    def tie(self, left: Ids, right: Ids) -> None:
        """Tie channels position by position."""
        for one, other in zip(left.tolist(), right.tolist(), strict=True):
            first, second = sorted((self._root(one), self._root(other)))
            self._parents[second] = first

    def roots(self) -> Ids:
        """Return the unit of each channel: its first channel."""
        return np.array([self._root(each) for each in range(len(self._parents))], np.int64)

    def held_units(self) -> NDArray[np.bool_]:
        """Return the mask of the units that cannot be removed: bool (all channels,)."""
        held = np.zeros(len(self._parents), np.bool_)
        held[[self._root(each) for each in self._held]] = True
        return held

    def _root(self, channel: int) -> int:
        while self._parents[channel] != channel:
            self._parents[channel] = self._parents[self._parents[channel]]
            channel = self._parents[channel]
        return channel
