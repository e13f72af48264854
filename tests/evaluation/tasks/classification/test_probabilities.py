"""What a file gave is told for probabilities, logits, or neither."""

import numpy as np
import pytest

from edgecv.evaluation.tasks.classification.probabilities import as_probabilities, softmax

pytestmark = pytest.mark.quick

LOGITS = np.random.default_rng(0).normal(0, 1, (2000, 20)).astype(np.float32)


@pytest.mark.parametrize("step", [1 / 255, 1 / 256, 0.98 / 255])
def test_a_softmax_that_was_rounded_within_the_file(step: float) -> None:
    """The output is float again, so that no scale tells of the rounding."""
    exact = softmax(LOGITS)
    rounded = (np.rint(exact / step).clip(0, 255) * step).astype(np.float32)
    assert np.abs(rounded.sum(axis=1) - 1).max() > 0.01
    found, words = as_probabilities(rounded)
    assert found is rounded
    assert words == ()


@pytest.mark.parametrize("bits", [0, 8])
def test_probabilities_of_each_class_for_itself_are_neither(bits: int) -> None:
    sigmoid = 1 / (1 + np.exp(-LOGITS))
    if bits:
        sigmoid = np.rint(sigmoid * 255) / 255
    with pytest.raises(ValueError, match="neither probabilities"):
        as_probabilities(sigmoid.astype(np.float32))
