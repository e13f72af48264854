"""The divergence of a batch normalization from the images that it is given."""

import numpy as np
import pytest

from edgecv.core.input_evidence import NormalizationInput, divergence

CHANNELS = 16
FRACTIONS = np.random.default_rng(0).normal(0.2, 0.2, (4000, CHANNELS))
FRACTIONS *= np.random.default_rng(1).uniform(0.5, 2.0, CHANNELS)
"""Input of a batch normalization by images of 0..1."""
OTHERS = {
    "-1..1": FRACTIONS * 2 - 0.3,
    "imagenet": FRACTIONS * 4.4 - 0.8,
    "0..255": FRACTIONS * 255,
}


def far(values: np.ndarray, *, initial: float) -> float:
    """Return the divergence from fractions, where a share of mean 0 and variance 1 is left."""
    mean = (1 - initial) * FRACTIONS.mean(axis=0)
    variance = (1 - initial) * FRACTIONS.var(axis=0) + initial
    found = divergence(NormalizationInput(values, mean, variance))
    assert found is not None
    return found


@pytest.mark.parametrize("initial", [0.0, 0.03, 0.3, 0.8])
def test_images_of_another_range_are_far_after_a_short_training_too(initial: float) -> None:
    """At a share of 0.8, after 22 steps, pixels of variance 1 were the nearest."""
    right = far(FRACTIONS, initial=initial)
    assert right < 0.01
    assert all(far(values, initial=initial) > 5 * right for values in OTHERS.values())


def test_statistics_that_no_training_has_changed_show_nothing() -> None:
    assert {far(values, initial=1.0) for values in (FRACTIONS, *OTHERS.values())} == {0.0}


def test_a_divergence_that_is_no_number_is_none() -> None:
    values = np.full((4, 1), np.nan)
    assert divergence(NormalizationInput(values, np.zeros(1), np.ones(1))) is None
