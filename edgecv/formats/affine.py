"""Products and sums behind a kernel, folded into it: batch normalization in any form."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgecv.core.quantization import Kernel

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class RealConstant:
    """A constant as reals: one, or one for each output of a kernel; and the step of its codes."""

    values: Reals
    step: float = 0.0

    def __neg__(self) -> "RealConstant":
        return RealConstant(-self.values, self.step)

    def inverse(self) -> "RealConstant":
        """Return one divided by it; it has no 0."""
        return RealConstant(1 / self.values, self.step / float(np.min(np.abs(self.values))) ** 2)


def product_or_sum(
    operator: str, constant: RealConstant, *, is_left: bool = True
) -> tuple[bool, RealConstant] | None:
    """Return True for a product and False for a sum, and its constant; None for neither.

    ``operator``: on reals and a constant, which is the second unless ``is_left`` is False.
    """
    match operator.upper():
        case "MUL":
            return True, constant
        case "ADD":
            return False, constant
        case "SUB" if is_left:
            return False, -constant
        case "DIV" if is_left and np.all(constant.values):
            return True, constant.inverse()
    return None


@dataclass(frozen=True)
class Affine:
    """Weights (outputs, inputs, places) and biases (outputs,) of a kernel, with their steps."""

    weights: Reals
    steps: Reals
    bias: Reals
    bias_steps: Reals

    @classmethod
    def of(cls, kernel: Kernel) -> "Affine":
        """Return the weights and biases of a kernel, in float64."""
        stored = kernel.values, kernel.steps, kernel.bias, kernel.bias_steps
        return cls(*(np.asarray(each, np.float64) for each in stored))

    def put_into(self, kernel: Kernel) -> Kernel:
        """Return a kernel with these weights and biases, in float32."""
        return replace(
            kernel,
            values=self.weights.astype(np.float32),
            steps=self.steps.astype(np.float32),
            bias=self.bias.astype(np.float32),
            bias_steps=self.bias_steps.astype(np.float32),
        )

    def times(self, factor: RealConstant) -> "Affine":
        """Return it behind a product with one number, or with one number for each output."""
        wide = np.broadcast_to(factor.values.ravel(), self.bias.shape).astype(np.float64)
        largest = np.abs(self.weights).max(axis=(1, 2), initial=0.0)
        return Affine(
            self.weights * wide[:, np.newaxis, np.newaxis],
            self.steps * np.abs(wide) + factor.step * largest,
            self.bias * wide,
            self.bias_steps * np.abs(wide) + factor.step * np.abs(self.bias),
        )

    def plus(self, term: RealConstant) -> "Affine":
        """Return it behind a sum with one number, or with one number for each output."""
        wide = np.broadcast_to(term.values.ravel(), self.bias.shape)
        return replace(self, bias=self.bias + wide, bias_steps=self.bias_steps + term.step)

    def behind(
        self, operator: str, constant: RealConstant, *, is_left: bool = True
    ) -> "Affine | None":
        """Return it behind an operator on it and a constant; None if it is no product or sum."""
        found = product_or_sum(operator, constant, is_left=is_left)
        if found is None:
            return None
        is_product, other = found
        return self.times(other) if is_product else self.plus(other)


def per_output(values: NDArray[Any], outputs: int, from_end: int) -> bool:
    """Return True if a constant is one number, or one an output: ``from_end`` is that axis.

    >>> per_output(np.ones((16, 1, 1)), 16, -3), per_output(np.ones(16), 16, -3)
    (True, False)
    """
    if values.size == 1:
        return True
    if values.size != outputs or values.ndim < -from_end:
        return False
    return bool(values.shape[from_end] == outputs)
