"""Memory plans: nothing that is needed at the same time lies on each other."""

from hypothesis import given, settings
from hypothesis import strategies as st

from edgecv.targets.c.planner import Above, Buffer, arena_size, plan

buffers = st.builds(
    lambda size, alignment, first, length: Buffer(
        size * alignment, alignment, first, first + length
    ),
    st.integers(1, 60),
    st.sampled_from([1, 4]),
    st.integers(0, 8),
    st.integers(0, 4),
)


def clashes(
    given_buffers: list[Buffer], above: Above, offsets: tuple[int, ...]
) -> list[tuple[int, int]]:
    """Return the pairs of buffers that are needed together and lie on each other."""

    def is_apart(upper: int, lower: int) -> bool:
        needed = above.get((upper, lower), given_buffers[lower].size)
        return offsets[upper] - offsets[lower] >= needed

    return [
        (number, other)
        for number, one in enumerate(given_buffers)
        for other, two in enumerate(given_buffers[:number])
        if one.first <= two.last
        and two.first <= one.last
        and not is_apart(number, other)
        and not is_apart(other, number)
    ]


@settings(max_examples=60, deadline=None)
@given(st.lists(buffers, min_size=1, max_size=9), st.data())
def test_a_plan_has_no_clashes(given_buffers: list[Buffer], data: st.DataObject) -> None:
    numbers = range(len(given_buffers))
    above = {
        (one, other): data.draw(st.integers(0, given_buffers[other].size))
        for one in numbers
        for other in numbers
        if given_buffers[one].last == given_buffers[other].first and one != other
        if data.draw(st.booleans())
    }
    offsets = plan(given_buffers, above)
    assert not clashes(given_buffers, above, offsets)
    pairs = zip(offsets, given_buffers, strict=True)
    assert all(offset % each.alignment == 0 for offset, each in pairs)
    largest = max(each.size for each in given_buffers)
    assert largest <= arena_size(given_buffers, offsets)


def test_a_chain_shares_its_memory() -> None:
    chain = [Buffer(100, 1, 0, 1), Buffer(80, 1, 1, 2), Buffer(60, 1, 2, 3)]
    assert arena_size(chain, plan(chain, {})) == 180
    in_place = {(0, 1): 0, (1, 2): 0}
    assert arena_size(chain, plan(chain, in_place)) == 100


def test_a_plan_that_clashes_is_seen() -> None:
    pair = [Buffer(10, 1, 0, 1), Buffer(10, 1, 1, 2)]
    assert clashes(pair, {}, (0, 5)) == [(1, 0)]
    assert not clashes(pair, {(1, 0): 5}, (0, 5))
