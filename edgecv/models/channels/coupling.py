"""Channels that must stay or go together, some of them held in place.

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
NOTHING: Ids = np.array([], np.int64)


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


class ChannelTies:
    """A growing set of channels, tied into units, some of them held."""

    def __init__(self) -> None:
        self._count = 0
        self._left, self._right, self._held = [NOTHING], [NOTHING], [NOTHING]

    def new(self, count: int) -> Ids:
        """Return ``count`` new channels, each a unit of its own."""
        self._count += count
        return np.arange(self._count - count, self._count)

    def hold(self, ids: Ids) -> None:
        """Keep these channels, and all that are or will be tied to them."""
        self._held.append(ids)

    def tie(self, left: Ids, right: Ids) -> None:
        """Tie channels position by position."""
        self._left.append(left)
        self._right.append(right)

    def roots(self) -> Ids:
        """Return the unit of each channel: its first channel."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        ends = np.concatenate(self._left), np.concatenate(self._right)
        ties = coo_array((np.ones(len(ends[0])), ends), shape=(self._count, self._count))
        _, units = connected_components(ties, directed=False)
        _, first = np.unique(units, return_index=True)
        roots: Ids = first[units]
        return roots

    def held_units(self, roots: Ids) -> NDArray[np.bool_]:
        """Return the mask of the units that cannot be removed: bool (all channels,)."""
        held = np.zeros(self._count, np.bool_)
        held[roots[np.concatenate(self._held)]] = True
        return held
