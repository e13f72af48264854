"""The precision that a file claims, beside that of its activations."""

from dataclasses import replace

import numpy as np
import pytest

from edgecv.analysis.reference_check.precision import other_than_claimed
from edgecv.core.quantization import KERNEL, Kernel, Point, Steps, Stored

pytestmark = pytest.mark.quick


def stored(*widths: int) -> Stored:
    """Return a file of int8 kernels whose outputs have so many bits; 0 for floats."""
    ones = np.ones(1, np.float32)
    kernel = Kernel("k", "int8", np.ones((1, 1, 1), np.float32), ones, ones, ones)
    points = tuple(
        Point("p", KERNEL, False, Steps(0.1, 0, -(2 ** (bits - 1)), 2 ** (bits - 1) - 1))
        if bits
        else Point("p", KERNEL, False)
        for bits in widths
    )
    return replace(EMPTY, kernels=(kernel,) * len(widths), points=points)


EMPTY = Stored((), (), (), None)


@pytest.mark.parametrize(
    ("claim", "widths", "found"),
    [
        ("int8", (8, 8, 16), None),
        ("int8", (8, 0), None),
        ("int16x8", (16, 16, 8), None),
        ("int16x8", (8, 8), "its activations have 8 bits"),
        ("int8", (16, 16, 0), "its activations have 16 bits"),
    ],
)
def test_activations_have_the_bits_of_the_claim(
    claim: str, widths: tuple[int, ...], found: str | None
) -> None:
    """An int8 file that was called int16x8 passed."""
    said = other_than_claimed(claim, stored(*widths), has_twins_weights=True)
    assert said == (None if found is None else f"it is called {claim}, {found}")
