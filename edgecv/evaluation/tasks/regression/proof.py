"""Numbers that are no better than one constant for all images prove nothing."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.plugins import Proof
from edgecv.evaluation.tasks.classification.proof import NOTHING, SIGNIFICANCE

GAIN = 0.05
"""Part of the error of a constant that a model must save to have learned something."""


def proof_of_spread(values: NDArray[Any], what: str) -> Proof:
    """Return if numbers without targets prove anything: they differ over the images."""
    if len(values) == 1:
        return proof_of_one()
    spread = float(np.ptp(values, axis=0).max())
    text = f"gives {what} that differ by {spread:.3g} at the most over the images"
    return Proof(spread, 0.0, text if spread else f"{text}: {NOTHING}", spread > 0)


def proof_of_one() -> Proof:
    """Return that one sample proves nothing: a constant gives it its numbers too."""
    text = "gives the numbers of one sample, which do not show that they depend on it"
    return Proof(0.0, 0.0, f"{text}: {NOTHING}; give two or more", holds=False)


def proof_of_errors(
    own: NDArray[np.float64], constant: NDArray[np.float64], text: str, question: str
) -> Proof:
    """Return if the errors of the images, (N,), are smaller than those of a constant."""
    from scipy.stats import wilcoxon

    found, limit = float(own.mean()), float(constant.mean()) * (1 - GAIN)
    chance = wilcoxon(own, constant, alternative="less").pvalue if found < limit else 1.0
    holds = bool(chance <= SIGNIFICANCE)
    return Proof(found, limit, text if holds else f"{text}: {NOTHING}; {question}", holds)
