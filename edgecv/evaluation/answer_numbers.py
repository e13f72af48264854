"""Numbers as answers: their bytes, rounded so that noise changes none."""

import numpy as np

from edgecv.core.data import Predictions

LEAST, LARGEST = 2.0**-14, 65_504.0
"""The numbers that float16 has in full precision: larger ones are infinite, smaller ones 0."""
STEPS = 2**11
"""Steps of the mantissa of a number that float16 has not: as many as its own."""


def answer_numbers(values: Predictions) -> bytes:
    """Return the bytes of numbers: as float16, or with as many digits where that cannot hold them.

    >>> large, other = np.array([7e5], np.float32), np.array([9e5], np.float32)
    >>> answer_numbers(large) == answer_numbers(other)
    False
    """
    largest = float(np.abs(values).max(initial=0.0))
    if not largest or LEAST <= largest <= LARGEST:
        return values.astype("<f2").tobytes()
    mantissas, exponents = np.frexp(values.astype(np.float64))
    rounded: Predictions = np.ldexp(np.rint(mantissas * STEPS) / STEPS, exponents).astype("<f4")
    return rounded.tobytes()
