"""Numbers of C: fixed-point as LiteRT makes them of real scales, and real ones."""

import math
from ctypes import CDLL, c_float
from functools import cache

import numpy as np

from edgecv.targets.c.unsupported import UnsupportedInC

INT32 = 2**31
UNIT = INT32 - 1
ONE = 1 << 28
"""1 with 28 bits behind the point."""
FRACTION = 26
"""The bits behind the point of an exponential's argument."""
QUARTER = 1 << (FRACTION - 2)
EXPONENTIALS = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
"""exp of -1/4, -1/2, -1, ..., -16 with 31 bits behind the point."""


def multiplier(real: float) -> tuple[int, int]:
    """Return a positive factor as a 31-bit fraction and the exponent of its power of two.

    >>> multiplier(0.5), multiplier(3.0), multiplier(0.0)
    ((1073741824, 0), (1610612736, 2), (0, 0))
    """
    fraction, exponent = math.frexp(real)
    fixed = rounded(fraction * INT32)
    if fixed == INT32:
        fixed, exponent = fixed // 2, exponent + 1
    return (0, 0) if exponent < -31 else (fixed, exponent)


def scaled(real_multiplier: float) -> tuple[int, int]:
    """Return a fixed-point multiplier that C can shift by."""
    fixed, shift = multiplier(real_multiplier)
    if shift > 30:
        raise UnsupportedInC(f"its scales make a factor of {real_multiplier:g}")
    return fixed, shift


def rounded(x: "float | np.float32") -> int:
    """Return the nearest integer, halves away from zero."""
    value = float(x)
    if not math.isfinite(value):
        raise UnsupportedInC("its scales do not fit a float32")
    return math.floor(value + 0.5) if value >= 0 else -math.floor(0.5 - value)


def multiply(x: int, factor: tuple[int, int], *, upward: bool = False) -> int:
    """Return a product with such a factor, rounded twice: the second time halves away from zero.

    ``upward``: the second time halves upwards, as vector instructions do.

    >>> multiply(7, multiplier(0.5)), multiply(-7, multiplier(0.5))
    (4, -3)
    >>> multiply(-6, multiplier(0.25)), multiply(-6, multiplier(0.25), upward=True)
    (-2, -1)
    """
    fixed, exponent = factor
    product, by = high_product(x << max(exponent, 0), fixed), max(-exponent, 0)
    return (product + (1 << by >> 1)) >> by if upward else shift_right(product, by)


def high_product(a: int, b: int, bits: int = 31) -> int:
    """Return the product of two fractions of so many bits, rounded to nearest."""
    product = a * b
    half = 1 << (bits - 1)
    total = product + (half if product >= 0 else 1 - half)
    return int(abs(total) >> bits) * (1 if total >= 0 else -1)


def shift_right(x: int, by: int) -> int:
    """Return a quotient by a power of two, rounded to nearest, halves away from zero."""
    mask = (1 << by) - 1
    return (x >> by) + ((x & mask) > (mask >> 1) + (x < 0))


def exponential(x: int) -> int:
    """Return exp of a negative number, 26 bits behind the point, with 31 bits behind the point.

    >>> exponential(0) == UNIT, round(exponential(-1 << FRACTION) / INT32, 5)
    (True, 0.36788)
    """
    if not x:
        return UNIT
    part = (x & (QUARTER - 1)) - QUARTER
    rest = part - x
    a = (part << (31 - FRACTION)) + (1 << 28)
    square = high_product(a, a)
    cube = high_product(square, a)
    fourth = shift_right(high_product(square, square), 2)
    tail = shift_right(high_product(fourth + cube, 715827883) + square, 1)
    found = 1895147668 + high_product(1895147668, a + tail)
    for number, factor in enumerate(EXPONENTIALS):
        if rest & QUARTER << number:
            found = high_product(found, factor)
    return found


def inverse_root(x: int) -> tuple[int, int]:
    """Return 1 / sqrt of a positive integer below 2^29, as ``multiplier`` returns a factor.

    >>> fixed, exponent = inverse_root(9)
    >>> round(fixed / INT32 * 2**exponent, 6)
    0.333333
    """
    if x <= 1:
        return UNIT, 0
    pairs = (29 - x.bit_length()) // 2
    value = (x << 2 * pairs) >> 1
    root = ONE
    for _ in range(5):  # Steps of Newton with 28 bits behind the point.
        cube = high_product(high_product(root, root), root) << 6
        root = (high_product(3 * ONE // 2, root) - high_product(shift_right(value, 1), cube)) << 3
    root = high_product(root, 1518500250)
    down = 11 - pairs
    return root << max(-down, 0), -max(down, 0)


def real(value: float) -> str:
    """Return a float32 as C writes it.

    >>> real(0.1), real(math.inf)
    ('0.100000001f', 'INFINITY')
    """
    if not math.isfinite(value):
        return {True: "INFINITY", False: "-INFINITY"}.get(value > 0, "NAN")
    text = f"{np.float32(value):.9g}"
    return (text if "." in text or "e" in text else text + ".0") + "f"


def float32(function: str, x: float) -> float:
    """Return exp, tanh or erfc of a float32, as the C library rounds it.

    >>> float32("exp", 0.0), float32("tanh", 0.0)
    (1.0, 0.0)
    """
    library = _library()
    if library is None:  # Not glibc: the nearest float32, which differs in some last bits.
        return float(np.float32(getattr(math, function)(x)))
    return float(getattr(library, f"{function}f")(x))


@cache
def _library() -> CDLL | None:
    try:
        library = CDLL("libm.so.6")
    except OSError:
        return None
    for name in ("expf", "tanhf", "erfcf"):
        single = getattr(library, name)
        single.restype, single.argtypes = c_float, [c_float]
    return library
