"""Element types: the bits that each takes, and which are real numbers."""

from math import prod

FLOATS = frozenset(
    """
    float64 float32 float16 bfloat16 float8_e4m3fn float8_e5m2 float8e4m3fn float8e4m3fnuz
    float8e5m2 float8e5m2fnuz float8e8m0 float4e2m1 complex64 complex128
    """.split()
)
SMALL_INTEGERS = frozenset("int2 uint2 int4 uint4 int8 uint8 int16 uint16".split())
"""Integers that represent real numbers: wider ones are biases, indices and shapes."""
BITS = {
    "complex128": 128,
    **dict.fromkeys("float64 int64 uint64 complex64".split(), 64),
    **dict.fromkeys("float32 int32 uint32".split(), 32),
    **dict.fromkeys("float16 bfloat16 int16 uint16".split(), 16),
    **dict.fromkeys("int8 uint8 bool".split(), 8),
    **dict.fromkeys("int4 uint4 float4e2m1".split(), 4),
    **dict.fromkeys("int2 uint2".split(), 2),
    **{name: 8 for name in FLOATS if name.startswith("float8")},
}


def bytes_of(kind: str, elements: int) -> int | None:
    """Return the bytes that ``elements`` of a type take; None for a type without a fixed size.

    >>> bytes_of("int4", 3), bytes_of("float16", 3), bytes_of("string", 3)
    (2, 6, None)
    """
    bits = BITS.get(kind)
    return None if bits is None else (elements * bits + 7) // 8


def for_one_image(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Return a shape with an open batch set to one image.

    >>> for_one_image((-1, 32, 3)), for_one_image((1, -1, 3))
    ((1, 32, 3), (1, -1, 3))
    """
    return (1, *shape[1:]) if shape and shape[0] < 0 else shape


def count(shape: tuple[int, ...] | None) -> int | None:
    """Return the number of elements of a shape; None if it or one of its sides is unknown.

    >>> count((2, 3)), count(()), count((2, -1)), count(None)
    (6, 1, None, None)
    """
    return None if shape is None or any(side < 0 for side in shape) else prod(shape)
