"""Places of tensors in one arena: what is not needed at the same time shares memory."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

MOST_PLACED = 40_000
"""The most placements of one tensor that a search tries."""


@dataclass(frozen=True)
class Buffer:
    """A tensor's size and alignment in bytes, and the first and last step that need it."""

    size: int
    alignment: int
    first: int
    last: int


Above = Mapping[tuple[int, int], int]
"""By the numbers of two buffers, how far the first must lie above the second, if above it.

Without an entry it is the size of the second: they share no memory.
"""


def plan(buffers: Sequence[Buffer], above: Above) -> tuple[int, ...]:
    """Return the offset of each buffer in the smallest arena that was found."""
    count = len(buffers)
    least = lower_bound(buffers, above)
    orders = _orders(buffers)
    best_order = orders[0]
    best: tuple[int, ...] = ()
    best_size = 0
    shuffled = random.Random(0)
    spent = 0
    while orders or (best_size > least and spent < MOST_PLACED):
        if orders:
            order = orders.pop()
        else:
            order = list(best_order)
            moved = order.pop(shuffled.randrange(count))
            order.insert(shuffled.randrange(count), moved)
        placed = _place(order, buffers, above)
        spent += count
        size = arena_size(buffers, placed)
        if not best or size <= best_size:
            best_order, best, best_size = order, placed, size
    return best


def arena_size(buffers: Sequence[Buffer], offsets: Sequence[int]) -> int:
    """Return the bytes from the start of the arena to the end of its last buffer."""
    return max(
        (offset + each.size for each, offset in zip(buffers, offsets, strict=True)), default=0
    )


def lower_bound(buffers: Sequence[Buffer], above: Above) -> int:
    """Return the bytes that no placement can go below: of the buffers of one step."""
    largest = max((each.size for each in buffers), default=0)
    shared = {number for pair in above for number in pair}
    steps = {each.first for each in buffers}
    for step in steps:
        live = [number for number, each in enumerate(buffers) if each.first <= step <= each.last]
        alone = sum(buffers[number].size for number in live if number not in shared)
        largest = max(largest, alone)
    return largest


def _orders(buffers: Sequence[Buffer]) -> list[list[int]]:
    numbers = range(len(buffers))
    keys = (
        lambda number: -buffers[number].size,
        lambda number: (-buffers[number].last, -buffers[number].size),
        lambda number: (buffers[number].first, -buffers[number].size),
        lambda number: -buffers[number].size * (buffers[number].last - buffers[number].first + 1),
        lambda number: (-buffers[number].size, -buffers[number].first),
    )
    return [sorted(numbers, key=key) for key in keys]


def _place(order: Sequence[int], buffers: Sequence[Buffer], above: Above) -> tuple[int, ...]:
    """Return the offsets when each buffer in turn takes the lowest place that is free."""
    offsets: dict[int, int] = {}
    for number in order:
        alignment = buffers[number].alignment
        # Between these bounds of each neighbour the buffer may not start.
        taken = sorted(
            (
                offsets[other] - above.get((other, number), buffers[number].size),
                offsets[other] + above.get((number, other), buffers[other].size),
            )
            for other in offsets
            if _meet(buffers[number], buffers[other])
        )
        place = 0
        for lowest, highest in taken:
            if lowest < place < highest:
                place = -(-highest // alignment) * alignment
        offsets[number] = place
    return tuple(offsets[number] for number in range(len(buffers)))


def _meet(one: Buffer, other: Buffer) -> bool:
    return one.first <= other.last and other.first <= one.last
