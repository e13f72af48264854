"""A rescaling of each channel: a kernel of its own in one file, and none in another."""

import numpy as np
import pytest

from edgecv.analysis.reference_check.causes import cause_of
from edgecv.analysis.reference_check.kernel_pairs import KernelPair, paired
from edgecv.core.quantization import Floats, Kernel, Stored

pytestmark = pytest.mark.quick
FACTORS = np.array([0.0171, 0.0175, 0.0174], np.float32)
TERMS = np.array([-2.118, -2.036, -1.804], np.float32)
WEIGHTS = np.random.default_rng(0).normal(size=(8, 3, 9)).astype(np.float32)


def kernel(name: str, values: Floats, bias: Floats, inputs: tuple[int, ...] = ()) -> Kernel:
    none = np.zeros(len(values), np.float32)
    return Kernel(name, "float32", values, none, bias, none, inputs=inputs)


def pixels(factors: Floats, terms: Floats) -> Floats:
    return np.concatenate([np.diag(factors), terms[:, np.newaxis]], axis=1)


def convolution(weights: Floats = WEIGHTS, inputs: tuple[int, ...] = ()) -> Kernel:
    return kernel("conv_1", weights, np.ones(8, np.float32), inputs)


RAW = pixels(np.ones(3, np.float32), np.zeros(3, np.float32))
TWIN = Stored(
    (kernel("preprocess", FACTORS.reshape(3, 1, 1), TERMS), convolution(inputs=(0,))), (), (), RAW
)


def compared(own: Stored, twin: Stored = TWIN) -> KernelPair:
    found = paired(own, twin, [])
    assert found.left == ()
    return found.pairs[-1]


def test_the_same_rescaling_before_the_first_kernel_is_the_same_network() -> None:
    plain = Stored((convolution(),), (), (), pixels(FACTORS, TERMS))
    for own, twin in ((plain, TWIN), (TWIN, plain)):
        pair = compared(own, twin)
        assert not pair.off.any()
        assert not pair.bias_off.any()


@pytest.mark.parametrize(
    ("factors", "terms", "words"),
    [
        (np.full(3, 1 / 255), np.zeros(3), "its rescaling multiplies"),
        (FACTORS, TERMS + 0.5, "its rescaling moves pixels"),
    ],
)
def test_another_rescaling_is_named(factors: Floats, terms: Floats, words: str) -> None:
    own = Stored((convolution(),), (), (), pixels(factors, terms).astype(np.float32))
    found = cause_of(compared(own), [])
    assert found is not None
    assert words in found.text


def test_colours_in_another_order_behind_it_are_named() -> None:
    swapped = convolution(np.ascontiguousarray(WEIGHTS[:, ::-1]), (0,))
    found = cause_of(compared(Stored((TWIN.kernels[0], swapped), (), (), RAW)), [])
    assert found is not None
    assert found.text == "red and blue are swapped in its input"
